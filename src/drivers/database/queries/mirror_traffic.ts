import { utcDay } from "../../../lib/utc_day.ts";
import type { Sql } from "../postgres.ts";

/**
 * Adds bytes to what `subject` took today (UTC).
 * @returns the sums of today and of this month, of all nodes
 */
export async function addMirrorTraffic(
  sql: Sql,
  subject: string,
  nowMs: number,
  bytes: number,
): Promise<{ dayBytes: number; monthBytes: number }> {
  const day = utcDay(nowMs);
  const month = `${day.slice(0, 7)}-01`;
  const [sums] = await sql<{ dayBytes: number; monthBytes: number }[]>`
    with today as (
      insert into mirrortraffic as t (subject, day, byte_count) values (${subject}, ${day}, ${bytes})
      on conflict (subject, day) do update set byte_count = t.byte_count + excluded.byte_count
      returning byte_count
    )
    select today.byte_count as "dayBytes",
      (today.byte_count + coalesce((
        select sum(byte_count) from mirrortraffic
        where subject = ${subject} and day >= ${month} and day < ${day}
      ), 0))::bigint as "monthBytes"
    from today`;
  return sums ?? { dayBytes: bytes, monthBytes: bytes };
}

/** Forgets the days before the last month. */
export async function deleteOldMirrorTraffic(sql: Sql, nowMs: number): Promise<void> {
  const before = utcDay(nowMs - 62 * 24 * 3600_000);
  await sql`delete from mirrortraffic where day < ${before}`;
}

import type { Sql } from "../postgres.ts";

/**
 * Notes that a namespace is told now that it holds more than so many percent of its quota. Of several at once one is it.
 * @returns false, and nothing has changed, when it was told of that within `quietMs`
 */
export async function claimQuotaNotification(
  sql: Sql,
  { namespaceId, percent, nowMs, quietMs }: {
    namespaceId: number;
    percent: number;
    nowMs: number;
    quietMs: number;
  },
): Promise<boolean> {
  const { count } = await sql`
    insert into quotanotificationstate as s (namespace_id, threshold_percent, last_notified_ms)
    values (${namespaceId}, ${percent}, ${nowMs})
    on conflict (namespace_id, threshold_percent) do update set last_notified_ms = excluded.last_notified_ms
      where s.last_notified_ms <= excluded.last_notified_ms - ${quietMs}::bigint`;
  return count > 0;
}

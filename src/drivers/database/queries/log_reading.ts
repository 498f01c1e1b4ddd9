import { freshlyPlanned, type Sql } from "../postgres.ts";

/** Where rows are: in the table that is written, or in Quay's older ones, which only an adopted database fills. */
export const LOG_TABLES = ["logentry3", "logentry2", "logentry"] as const;
export type LogTable = (typeof LOG_TABLES)[number];

/** Whose rows. Nothing of these: everybody's. */
export interface LogFilter {
  readonly accountId?: number | undefined;
  readonly repositoryId?: number | undefined;
  readonly performerId?: number | undefined;
  /** From that moment on, epoch milliseconds. */
  readonly fromMs: number;
  /** Before that moment. */
  readonly toMs: number;
  readonly kindIds?: readonly number[] | undefined;
  readonly exceptKindIds?: readonly number[] | undefined;
}

/** A row's place in the order of its table: its time to the microsecond, and its id. */
export interface LogPlace {
  readonly at: string;
  readonly id: number;
}

export interface LogRow extends LogPlace {
  readonly kind: string;
  readonly atMs: number;
  readonly ip: string | null;
  readonly metadataJson: string;
  readonly accountName: string | null;
  readonly accountEmail: string | null;
  readonly accountIsOrganization: boolean | null;
  readonly performerName: string | null;
  readonly performerEmail: string | null;
  readonly performerIsRobot: boolean | null;
}

const AT = `YYYY-MM-DD"T"HH24:MI:SS.US`;

function time(sql: Sql, ms: number) {
  return sql`to_timestamp(${ms / 1000}) at time zone 'utc'`;
}

function conditions(sql: Sql, filter: LogFilter) {
  const { accountId, repositoryId, performerId, kindIds, exceptKindIds = [] } = filter;
  return sql`l.datetime >= ${time(sql, filter.fromMs)} and l.datetime < ${time(sql, filter.toMs)}
    ${accountId === undefined ? sql`` : sql`and l.account_id = ${accountId}`}
    ${repositoryId === undefined ? sql`` : sql`and l.repository_id = ${repositoryId}`}
    ${performerId === undefined ? sql`` : sql`and l.performer_id = ${performerId}`}
    ${kindIds === undefined ? sql`` : sql`and l.kind_id = any(${kindIds as number[]}::integer[])`}
    ${
    exceptKindIds.length === 0 ? sql`` : sql`and l.kind_id <> all(${exceptKindIds as number[]}::integer[])`
  }`;
}

/** The youngest rows first. @param after where the page before ended; absent: from the youngest on */
export function selectLogs(
  sql: Sql,
  table: LogTable,
  filter: LogFilter & { readonly after?: LogPlace | undefined; readonly limit: number },
): Promise<LogRow[]> {
  const { after, limit } = filter;
  const beyond = after === undefined ? sql`` : sql`
    and l.datetime <= ${after.at}::timestamp and (l.datetime < ${after.at}::timestamp or l.id < ${after.id})`;
  return freshlyPlanned(sql<LogRow[]>`
    select l.id, to_char(l.datetime, ${AT}) as at, (extract(epoch from l.datetime) * 1000)::float8 as "atMs", l.ip,
      l.metadata_json as "metadataJson", coalesce(k.name, l.kind_id::text) as kind, a.username as "accountName",
      a.email as "accountEmail", a.organization as "accountIsOrganization", p.username as "performerName",
      p.email as "performerEmail", p.robot as "performerIsRobot"
    from (
      select l.* from ${sql(table)} l where ${conditions(sql, filter)} ${beyond}
      order by l.datetime desc, l.id desc limit ${limit}
    ) l
      left join logentrykind k on k.id = l.kind_id
      left join "user" a on a.id = l.account_id
      left join "user" p on p.id = l.performer_id
    order by l.datetime desc, l.id desc`);
}

/** Rows of one kind on one day. */
export interface LogCountRow {
  readonly kind: string;
  /** Its first moment, epoch milliseconds. */
  readonly dayMs: number;
  readonly count: number;
}

/**
 * How many rows there are, by day and kind. Days that are counted cost a row each, whatever happened on them; what is
 * younger, and what older tables have, is counted now.
 * @param filter with whole days; it knows no kinds but those to leave out
 * @param countedMs how far the counts had come a moment ago: with it the planner knows that little is left to count now
 */
export function countLogs(
  sql: Sql,
  filter: Omit<LogFilter, "kindIds">,
  countedMs: number,
): Promise<LogCountRow[]> {
  const { accountId, repositoryId, performerId = 0, exceptKindIds = [] } = filter;
  const [scope, owner] = repositoryId !== undefined
    ? ["r", repositoryId]
    : accountId !== undefined
    ? ["n", accountId]
    : ["s", 0];
  const counted = repositoryId !== undefined && performerId !== 0
    ? sql`select null::date as day, 0 as kind_id, 0::bigint as count where false`
    : sql`
    select c.day, c.kind_id, c.count from logdailycount c
    where c.scope = ${scope}::"char" and c.owner_id = ${owner} and c.performer_id = ${performerId}
      and c.day >= (${time(sql, filter.fromMs)})::date and c.day <= (${time(sql, filter.toMs - 1)})::date`;
  const live = (table: LogTable) =>
    sql`
    select l.datetime::date as day, l.kind_id, count(*) as count from ${sql(table)} l
    where ${conditions(sql, filter)} ${
      table !== "logentry3" ? sql`` : sql`
        and l.datetime >= ${time(sql, countedMs)} and l.datetime >= (select until_time from logcounted)`
    }
    group by 1, 2`;
  return freshlyPlanned(sql<LogCountRow[]>`
    select coalesce(k.name, c.kind_id::text) as kind, extract(epoch from c.day)::float8 * 1000 as "dayMs",
      sum(c.count)::float8 as count
    from (
      ${counted} union all ${live("logentry3")} union all ${live("logentry2")} union all ${live("logentry")}
    ) c left join logentrykind k on k.id = c.kind_id
    where c.kind_id <> all(${exceptKindIds as number[]}::integer[])
    group by c.day, c.kind_id, k.name having sum(c.count) > 0 order by c.day, kind`);
}

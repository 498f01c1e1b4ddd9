import type { Pool } from "../../src/drivers/database/postgres.ts";
import { LOG_KINDS, type LogKind } from "../../src/domain/logs/log_kinds.ts";
import type { Deps } from "../../src/domain/deps.ts";

/** A row of the action log as tests look at it. */
export interface SeenRow {
  readonly kind: LogKind;
  readonly account: string | null;
  readonly performer: string | null;
  readonly repository: string | null;
  readonly ip: string | null;
  readonly metadata: Record<string, unknown>;
}

/** Every row, oldest first, once what waits has been written. */
export async function rowsOf({ sql, actions }: Pick<Deps, "sql" | "actions">): Promise<SeenRow[]> {
  await actions.flush();
  const rows = await sql<(Omit<SeenRow, "metadata"> & { text: string })[]>`
    select k.name as kind, a.username as account, p.username as performer, r.name as repository, l.ip,
      l.metadata_json as text
    from logentry3 l join logentrykind k on k.id = l.kind_id left join "user" a on a.id = l.account_id
      left join "user" p on p.id = l.performer_id left join repository r on r.id = l.repository_id
    order by l.id`;
  return rows.map(({ text, ...row }) => ({ ...row, metadata: JSON.parse(text) }));
}

export interface NewRows {
  readonly kind: LogKind;
  readonly accountId: number;
  readonly performerId?: number;
  readonly repositoryId?: number;
  /** Of the first one. */
  readonly atMs: number;
  readonly count?: number;
  /** Between one and the next. */
  readonly stepMs?: number;
  readonly table?: "logentry" | "logentry2" | "logentry3";
  readonly metadata?: string;
}

/** Puts rows into the log as if they had been written then; their metadata carry a number each. */
export async function addRows(sql: Pool, rows: NewRows): Promise<void> {
  const { performerId = null, repositoryId = null, count = 1, stepMs = 1, table = "logentry3" } = rows;
  await sql`
    insert into ${sql(table)} (kind_id, account_id, performer_id, repository_id, datetime, ip, metadata_json)
    select ${LOG_KINDS[rows.kind]}, ${rows.accountId}, ${performerId}, ${repositoryId},
      to_timestamp((${rows.atMs}::float8 + n * ${stepMs}::float8) / 1000.0) at time zone 'utc', '192.0.2.1',
      coalesce(${rows.metadata ?? null}::text, '{"n": ' || n || '}')
    from generate_series(0, ${count - 1}::integer) n`;
}

import type { Sql } from "../postgres.ts";

export interface ServerFacts {
  /** As in `server_version_num`: 180004 is 18.4. */
  version: number;
  /** The extension that searches need: there, or could be made. */
  trigrams: "installed" | "available" | "missing";
  /** Whether this user may create tables, which migrations do. */
  mayCreate: boolean;
}

/** What `quaylet check` wants to know of a PostgreSQL server. */
export async function selectServerFacts(sql: Sql): Promise<ServerFacts> {
  const [row] = await sql<ServerFacts[]>`
    select
      current_setting('server_version_num')::integer as version,
      case
        when exists (select from pg_extension where extname = 'pg_trgm') then 'installed'
        when exists (select from pg_available_extensions where name = 'pg_trgm') then 'available'
        else 'missing'
      end as trigrams,
      coalesce(has_schema_privilege(current_schema(), 'create'), false) as "mayCreate"`;
  if (row === undefined) throw new Error("a select without from returned no row");
  return row;
}

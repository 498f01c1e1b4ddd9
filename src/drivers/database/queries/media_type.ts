import type { Sql } from "../postgres.ts";

export interface MediaTypeRow {
  readonly id: number;
  readonly name: string;
}

/** All of them: a dozen rows that only ever grow. */
export function selectMediaTypes(sql: Sql): Promise<MediaTypeRow[]> {
  return sql<MediaTypeRow[]>`select id, name from mediatype`;
}

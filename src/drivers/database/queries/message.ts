import type { Sql } from "../postgres.ts";

export type Severity = "info" | "warning" | "error";
export type MessageType = "text/plain" | "text/markdown";

export interface MessageRow {
  readonly uuid: string;
  readonly content: string;
  readonly severity: Severity;
  readonly mediaType: MessageType;
}

/** The youngest `limit` messages, the oldest of them first. */
export function selectMessages(sql: Sql, limit: number): Promise<MessageRow[]> {
  return sql<MessageRow[]>`
    select uuid, content, severity, "mediaType" from (
      select m.id, m.uuid, m.content, m.severity, t.name as "mediaType"
      from messages m join mediatype t on t.id = m.media_type_id order by m.id desc limit ${limit}
    ) youngest order by id`;
}

/** @returns its uuid */
export async function insertMessage(sql: Sql, message: Omit<MessageRow, "uuid">): Promise<string> {
  const uuid = crypto.randomUUID();
  await sql`
    insert into messages (content, uuid, severity, media_type_id)
    values (${message.content}, ${uuid}, ${message.severity},
      (select id from mediatype where name = ${message.mediaType}))`;
  return uuid;
}

/** @returns whether there was one */
export async function deleteMessage(sql: Sql, uuid: string): Promise<boolean> {
  return (await sql`delete from messages where uuid = ${uuid}`).count > 0;
}

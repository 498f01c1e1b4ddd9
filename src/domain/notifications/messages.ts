/** What superusers tell everybody who opens the registry's pages. */
import {
  deleteMessage,
  insertMessage,
  type MessageRow,
  type MessageType,
  selectMessages,
  type Severity,
} from "../../drivers/database/queries/message.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { requireSuperuser } from "../access/rights.ts";

export type { MessageRow, MessageType, Severity };

/** A page shows few of them, and each page asks. */
const MOST = 100;
const LONGEST = 16_384;

/** For anybody: the oldest first. */
export function listMessages({ sql }: Pick<Deps, "sql">): Promise<MessageRow[]> {
  return selectMessages(sql, MOST);
}

/** @param actor a superuser or the operator @throws {AppError} `invalid_request` */
export async function createMessage(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  message: Omit<MessageRow, "uuid">,
): Promise<string> {
  requireSuperuser(deps.config, actor);
  if (message.content.length > LONGEST) {
    throw new AppError("invalid_request", `content must be at most ${LONGEST} characters`);
  }
  return await insertMessage(deps.sql, message);
}

/** @param actor a superuser or the operator @throws {AppError} `not_found` */
export async function removeMessage(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  uuid: string,
): Promise<void> {
  requireSuperuser(deps.config, actor);
  if (!await deleteMessage(deps.sql, uuid)) throw new AppError("not_found", "Not Found");
}

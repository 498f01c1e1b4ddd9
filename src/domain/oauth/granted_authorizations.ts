/** What a person has let applications do, and taking it back. */
import {
  type AuthorizationRow,
  deleteAuthorization,
  selectAuthorization,
  selectAuthorizations,
} from "../../drivers/database/queries/oauth.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { applicationMetadata } from "./applications.ts";
import { requirePerson } from "../access/rights.ts";

export type { AuthorizationRow };

const LARGEST_ID = 2 ** 31 - 1;

type AuthorizationDeps = Pick<Deps, "sql" | "now">;

/** Newest first. @throws {AppError} `unauthenticated`, `insufficient_scope` */
export async function listAuthorizations(
  { sql }: AuthorizationDeps,
  actor: Actor,
  options: { after: string; limit: number },
): Promise<{ authorizations: AuthorizationRow[]; next: string | undefined }> {
  const person = requirePerson(actor, "user:admin");
  const beforeId = Number(options.after || LARGEST_ID);
  const rows = await selectAuthorizations(sql, {
    userId: person.id,
    beforeId: Number.isSafeInteger(beforeId) ? beforeId : LARGEST_ID,
    limit: options.limit + 1,
  });
  const authorizations = rows.slice(0, options.limit);
  return {
    authorizations,
    next: rows.length > options.limit ? `${authorizations.at(-1)?.tokenId}` : undefined,
  };
}

/** @throws {AppError} `not_found`, also for other people's; and as {@link listAuthorizations} */
export async function getAuthorization(
  { sql }: AuthorizationDeps,
  actor: Actor,
  uuid: string,
): Promise<AuthorizationRow> {
  const person = requirePerson(actor, "user:admin");
  const row = uuid.length <= 255 ? await selectAuthorization(sql, person.id, uuid) : undefined;
  if (row === undefined) throw new AppError("not_found", "There is no such authorization");
  return row;
}

/** The application's token is void at once. @throws {AppError} as {@link getAuthorization} */
export async function revokeAuthorization(
  deps: AuthorizationDeps,
  actor: Actor,
  uuid: string,
): Promise<void> {
  const person = requirePerson(actor, "user:admin");
  const { application, scope } = await getAuthorization(deps, actor, uuid);
  await deps.sql.begin(async (tx) => {
    if (!await deleteAuthorization(tx, person.id, uuid)) {
      throw new AppError("not_found", "There is no such authorization");
    }
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "oauth_token_revoked",
      namespaceId: application.ownerId,
      metadata: { ...applicationMetadata(application), oauth_token_uuid: uuid, scope },
    });
  });
}

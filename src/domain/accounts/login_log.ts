/** Who signed in and out, and who could not, in the action log (`ACTION_LOG_AUDIT_LOGINS`, `…_LOGIN_FAILURES`). */
import { selectAccount } from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor, Origin } from "../access/access.ts";
import { type ActionEntry, authenticationMetadata, logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";

/** Where: the browser's form, or a client of the registry. */
export type LoginType = "quayauth" | "v2auth";

type LoginDeps = Pick<Deps, "sql" | "config" | "log" | "now">;
type Account = Extract<Actor, { kind: "user" | "robot" }>;

/** @throws when it cannot be recorded, unless `ALLOW_PULLS_WITHOUT_STRICT_LOGGING` */
export async function recordLogin(deps: LoginDeps, account: Account, type: LoginType): Promise<void> {
  if (!deps.config.ACTION_LOG_AUDIT_LOGINS) return;
  await record(deps, account, {
    kind: "login_success",
    namespaceId: ownerOf(account),
    metadata: { type, useragent: userAgentOf(account), ...authenticationMetadata(account) },
  });
}

/** @throws as {@link recordLogin} */
export async function recordLogout(deps: LoginDeps, account: Account): Promise<void> {
  if (!deps.config.ACTION_LOG_AUDIT_LOGINS) return;
  await record(deps, account, {
    kind: "logout_success",
    namespaceId: ownerOf(account),
    metadata: { type: "quayauth", useragent: userAgentOf(account), ...authenticationMetadata(account) },
  });
}

/**
 * An attempt that failed with `error`; other errors are none. It stands in the log of the account that was tried, and
 * in nobody's when there is none of that name.
 * @throws as {@link recordLogin}
 */
export async function recordLoginFailure(
  deps: LoginDeps,
  attempt: { username: string; type: LoginType; origin: Origin | undefined; error: unknown },
): Promise<void> {
  const { username, type, origin, error } = attempt;
  if (!deps.config.ACTION_LOG_AUDIT_LOGIN_FAILURES || !(error instanceof AppError)) return;
  if (error.code !== "invalid_credentials" && error.code !== "too_many_attempts") return;
  const tried = await accountTried(deps, username);
  const actor: Actor = { ...(tried?.actor ?? { kind: "anonymous" }), ...(origin && { origin }) };
  await record(deps, actor, {
    kind: "login_failure",
    namespaceId: tried?.namespaceId,
    metadata: {
      type,
      kind: KIND_OF[username] ?? (username.includes("+") ? "robot" : "user"),
      useragent: userAgentOf(actor),
      username: username.slice(0, 255),
      message: error.publicMessage,
    },
  });
}

const KIND_OF: Readonly<Record<string, string>> = {
  "$oauthtoken": "oauthtoken",
  "$app": "appspecifictoken",
  "$token": "token",
};

async function accountTried(
  { sql }: LoginDeps,
  username: string,
): Promise<{ actor: Account; namespaceId: number } | undefined> {
  if (username.includes("\0")) return undefined;
  const account = await selectAccount(sql, username);
  if (account === undefined || account.organization) return undefined;
  const { id, uuid } = account;
  if (!account.robot) {
    const scopes: ReadonlySet<never> = new Set();
    return { actor: { kind: "user", id, uuid, username, scopes, via: "password" }, namespaceId: id };
  }
  const owner = await selectAccount(sql, username.split("+", 1)[0] ?? "");
  if (owner === undefined) return undefined;
  return { actor: { kind: "robot", id, username, ownerId: owner.id }, namespaceId: owner.id };
}

async function record(deps: LoginDeps, actor: Actor, entry: ActionEntry): Promise<void> {
  try {
    await logAction(deps, actor, entry);
  } catch (error) {
    if (!deps.config.ALLOW_PULLS_WITHOUT_STRICT_LOGGING) throw error;
    deps.log.error("an action was not recorded", { kind: entry.kind, error });
  }
}

function ownerOf(account: Account): number {
  return account.kind === "robot" ? account.ownerId : account.id;
}

function userAgentOf(actor: Actor): string {
  return actor.origin?.userAgent ?? "";
}

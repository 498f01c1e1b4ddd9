import { lockOrganizationsOf, selectSolelyAdministered } from "../../drivers/database/queries/team.ts";
import {
  hasAccounts,
  insertAccount,
  lockAccounts,
  selectAccount,
  selectAccountByEmail,
  selectUserById,
  updatePassword,
  type UserRow,
} from "../../drivers/database/queries/user.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { durationMs } from "../../config/duration.ts";
import { AppError } from "../../lib/errors.ts";
import { type Actor, isSuperuser } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { checkAccountName, isEmail, passwordProblem } from "../names.ts";
import { removeNamespace } from "../organizations/namespace_removal.ts";
import { hashPassword } from "./passwords.ts";
import { hasFullAccess, isOperator, refusal, requireSuperuser } from "../access/rights.ts";

export type { UserRow };

export interface NewUser {
  readonly username: string;
  readonly password: string;
  readonly email?: string | undefined;
}

/** The account's e-mail address; accounts without one carry random filler, which is nobody's business. */
export function visibleEmail(account: { email: string }): string {
  return account.email.includes("@") ? account.email : "";
}

/**
 * Creates a person.
 * @param actor the operator or a superuser
 * @throws {AppError} `name_invalid`, `invalid_request` (password, e-mail), `already_exists`
 */
export async function createUser(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  wanted: NewUser,
): Promise<UserRow> {
  requireSuperuser(deps.config, actor);
  checkNewUser(deps, wanted);
  const passwordHash = await hashPassword(wanted.password);
  return await deps.sql.begin((tx) =>
    insertUser(deps, tx, actor, { ...wanted, passwordHash, verified: true })
  );
}

/**
 * Creates the very first account of the registry; of several at once, one wins. Nobody is asked who they are: that is
 * what `FEATURE_USER_INITIALIZE` allows, and the caller has checked it.
 * @throws {AppError} `invalid_request` when there are accounts already, and as {@link createUser}
 */
export async function createFirstUser(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  wanted: NewUser,
): Promise<UserRow> {
  // Before the costly hash, so that a stranger cannot keep a running registry busy with it.
  if (await hasAccounts(deps.sql)) throw notFirst();
  checkNewUser(deps, wanted);
  const passwordHash = await hashPassword(wanted.password);
  return await deps.sql.begin(async (tx) => {
    await lockAccounts(tx);
    if (await hasAccounts(tx)) throw notFirst();
    return await insertUser(deps, tx, actor, { ...wanted, passwordHash, verified: true });
  });
}

function notFirst(): AppError {
  return new AppError("invalid_request", "There are accounts already: the first user exists");
}

/** @throws {AppError} `name_invalid`, `invalid_request` */
export function checkNewUser(deps: Pick<Deps, "config">, wanted: NewUser): void {
  checkAccountName("Username", wanted.username);
  checkPassword(wanted.password);
  checkEmail(deps, wanted.email);
}

/** @throws {AppError} `invalid_request` */
export function checkPassword(password: string): void {
  const problem = passwordProblem(password);
  if (problem !== undefined) throw new AppError("invalid_request", problem);
}

/** @throws {AppError} `invalid_request`: missing although mails are sent, or not an address */
export function checkEmail(deps: Pick<Deps, "config">, email: string | undefined): void {
  if (email === undefined || email === "") {
    if (deps.config.FEATURE_MAILING) throw new AppError("invalid_request", "Email address is required");
    return;
  }
  if (!isEmail(email)) throw new AppError("invalid_request", "Invalid email address");
}

/**
 * Inserts a person and the log row that says so, in the caller's transaction. Everything was checked by the caller.
 * @throws {AppError} `already_exists`
 */
export async function insertUser(
  deps: Pick<Deps, "config" | "now">,
  sql: Sql,
  actor: Actor,
  wanted: Omit<NewUser, "password"> & { passwordHash: string; verified: boolean },
): Promise<UserRow> {
  const { username, email, passwordHash, verified } = wanted;
  const id = await claimAccount(deps, sql, { username, email, passwordHash, verified, kind: "user" });
  await logAction({ ...deps, sql }, actor, {
    kind: "user_create",
    namespaceId: id,
    metadata: { username, email: email ?? null },
  });
  const created = await selectUserById(sql, id);
  if (created === undefined) throw new AppError("not_found", "The account was deleted meanwhile");
  return created;
}

/**
 * Inserts a person or an organization and says what was taken when it cannot. Names were checked by the caller.
 * @throws {AppError} `already_exists`
 */
export async function claimAccount(
  deps: Pick<Deps, "config" | "now">,
  sql: Sql,
  account: {
    username: string;
    email: string | undefined;
    passwordHash: string | null;
    /** Whether the address is known to be the account's; absent: yes. */
    verified?: boolean;
    kind: "user" | "organization";
  },
): Promise<number> {
  const email = account.email ? account.email : undefined;
  if (email !== undefined && await selectAccountByEmail(sql, email) !== undefined) {
    throw new AppError("already_exists", "Email has already been used");
  }
  const id = await insertAccount(sql, {
    username: account.username,
    email: email ?? crypto.randomUUID(),
    passwordHash: account.passwordHash,
    verified: account.verified ?? true,
    kind: account.kind,
    tagExpirationS: Math.round(durationMs(deps.config.DEFAULT_TAG_EXPIRATION) / 1000),
    nowMs: deps.now(),
  });
  if (id !== undefined) return id;
  if (await selectAccount(sql, account.username) === undefined) {
    throw new AppError("already_exists", "Email has already been used");
  }
  throw new AppError("already_exists", "A user or organization with this name already exists");
}

/** The person of that name. @throws {AppError} `not_found`, also for organizations and robots */
export async function findUser(deps: Pick<Deps, "sql">, username: string): Promise<UserRow> {
  const user = await selectAccount(deps.sql, username);
  if (user === undefined || user.organization || user.robot) {
    throw new AppError("not_found", "User not found");
  }
  return user;
}

/**
 * Sets a person's password and ends all their sessions.
 * @param actor the person, a superuser or the operator
 * @returns the new uuid, which a session that is to go on must name
 */
export async function setPassword(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  username: string,
  password: string,
): Promise<string> {
  const user = await findUser(deps, username);
  const own = actor.kind === "user" && actor.id === user.id;
  if (!own) {
    requireSuperuser(deps.config, actor);
    refuseSuperuserTarget(deps, actor, user);
  }
  checkPassword(password);
  const passwordHash = await hashPassword(password);
  return await deps.sql.begin(async (tx) => {
    await logAction({ ...deps, sql: tx }, actor, {
      kind: own ? "account_change_password" : "user_change_password",
      namespaceId: user.id,
      metadata: { username },
    });
    return await updatePassword(tx, user.id, passwordHash);
  });
}

/**
 * Deletes a person: name and e-mail are free at once, robots and memberships are gone, and the repositories go with the
 * queue `namespacegc`.
 * @throws {AppError} `invalid_request` while the person is the only administrator of an organization
 */
export async function deleteUser(
  deps: Pick<Deps, "sql" | "config" | "changes" | "now">,
  actor: Actor,
  username: string,
): Promise<void> {
  const user = await findUser(deps, username);
  if (!(actor.kind === "user" && actor.id === user.id)) {
    requireSuperuser(deps.config, actor);
    refuseSuperuserTarget(deps, actor, user);
  }
  await removeNamespace(deps, user, async (tx) => {
    await lockOrganizationsOf(tx, user.id);
    const [sole] = await selectSolelyAdministered(tx, user.id);
    if (sole !== undefined) {
      throw new AppError(
        "invalid_request",
        `${username} is the only administrator of the organization ${sole}`,
      );
    }
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "user_delete",
      namespaceId: user.id,
      metadata: { username },
    });
  });
}

/** Superusers do not touch each other's accounts; the operator may. */
function refuseSuperuserTarget(deps: Pick<Deps, "config">, actor: Actor, user: UserRow): void {
  if (isOperator(actor)) return;
  const target: Actor = { kind: "user", scopes: "all", via: "session", ...user };
  if (isSuperuser(deps.config, target)) throw new AppError("invalid_request", "Cannot change a superuser");
  if (!hasFullAccess(deps.config, actor) && !isSuperuser(deps.config, actor)) throw refusal(actor);
}

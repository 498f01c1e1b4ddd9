import type { Config } from "../../config/schema.ts";
import { AppError } from "../../lib/errors.ts";
import {
  type Actor,
  canAdministerOrganization,
  isGlobalReadonlySuperuser,
  isSuperuser,
  type Scope,
} from "./access.ts";
import type { Deps } from "../deps.ts";

export type Person = Extract<Actor, { kind: "user" }>;

/** What a token scope includes besides itself (api.md §0, "OAuth scopes"). */
const INCLUDED_IN: Partial<Record<Scope, readonly Scope[]>> = {
  "repo:read": ["repo:write", "repo:admin"],
  "repo:write": ["repo:admin"],
  "user:read": ["user:admin"],
};

/** Whether the credential lets its holder use what `scope` covers; whoever signed in with a password has every scope. */
export function hasScope(actor: Actor, scope: Scope): boolean {
  if (actor.kind !== "user") return actor.kind !== "anonymous";
  const { scopes } = actor;
  return scopes === "all" || scopes.has(scope) ||
    (INCLUDED_IN[scope] ?? []).some((wider) => scopes.has(wider));
}

/** The operator at the machine's own shell. */
export function isOperator(actor: Actor): boolean {
  return actor.kind === "operator";
}

/** May change what belongs to others: the operator, and superusers with `FEATURE_SUPERUSERS_FULL_ACCESS`. */
export function hasFullAccess(config: Config, actor: Actor): boolean {
  return isOperator(actor) || config.FEATURE_SUPERUSERS_FULL_ACCESS && isSuperuser(config, actor);
}

/** 401 for nobody in particular, 403 for somebody without the right (api.md §0, "Unauthorised rule"). */
export function refusal(actor: Actor): AppError {
  return actor.kind === "anonymous"
    ? new AppError("unauthenticated", "Requires authentication")
    : new AppError("insufficient_scope", "Unauthorized");
}

/** The person who asks. @throws {AppError} `unauthenticated`, `insufficient_scope` without `scope` or for robots */
export function requirePerson(actor: Actor, scope: "user:read" | "user:admin"): Person {
  if (actor.kind !== "user" || !hasScope(actor, scope)) throw refusal(actor);
  return actor;
}

/** Whether `actor` may change the account itself, its robots and its tokens. */
export async function canAdministerNamespace(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  account: { id: number; username: string; organization: boolean },
): Promise<boolean> {
  if (hasFullAccess(deps.config, actor)) return true;
  if (account.organization) return await canAdministerOrganization(deps, actor, account.username);
  return actor.kind === "user" && actor.id === account.id && hasScope(actor, "user:admin");
}

/** May manage accounts: the operator and superusers. @throws {AppError} `unauthenticated`, `insufficient_scope` */
export function requireSuperuser(config: Config, actor: Actor): void {
  if (!isOperator(actor) && !isSuperuser(config, actor)) throw refusal(actor);
}

/** A global read-only superuser. @throws {AppError} `unauthenticated`, `insufficient_scope` */
export function requireReader(config: Config, actor: Actor): void {
  if (!isGlobalReadonlySuperuser(config, actor) || !hasScope(actor, "super:user")) throw refusal(actor);
}

/**
 * May look at what superusers manage: they, and global read-only superusers.
 * @throws {AppError} `unauthenticated`, `insufficient_scope`
 */
export function requireSuperuserOrReader(config: Config, actor: Actor): void {
  if (isGlobalReadonlySuperuser(config, actor) && hasScope(actor, "super:user")) return;
  requireSuperuser(config, actor);
}

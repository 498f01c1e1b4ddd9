/** Who may do what: every rule about permissions is here, tested as one table (`tests/auth/access_test.ts`). */
import type { Config } from "../../config/schema.ts";
import {
  type NamespaceStanding,
  type RepositoryRole,
  selectNamespaceStanding,
  selectRepositoryRole,
} from "../../drivers/database/queries/permission.ts";
import type { RepositoryRef } from "../../drivers/database/queries/repository.ts";
import type { Deps } from "../deps.ts";

/** What an OAuth token may be limited to. */
export const SCOPES = [
  "repo:read",
  "repo:write",
  "repo:admin",
  "repo:create",
  "user:read",
  "user:admin",
  "org:admin",
  "super:user",
] as const;
export type Scope = (typeof SCOPES)[number];

/** Where a request came from, for the action log. */
export interface Origin {
  readonly ip: string;
  readonly userAgent?: string;
}

/** A token, as the action log names it. */
export type Credential =
  | { readonly kind: "oauth"; readonly id: number; readonly clientId: string; readonly application: string }
  | { readonly kind: "apptoken"; readonly uuid: string; readonly title: string };

/** Who asks, and from where. Authentication has checked that the account is enabled. */
export type Actor = Identity & { readonly origin?: Origin };

type Identity =
  | { readonly kind: "anonymous" }
  | {
    readonly kind: "user";
    readonly id: number;
    readonly uuid: string;
    readonly username: string;
    readonly scopes: ReadonlySet<Scope> | "all";
    readonly via: "session" | "password" | "oauth" | "apptoken";
    /** When the password was last given; epoch milliseconds. */
    readonly freshLoginMs?: number;
    /** The token that was shown instead of a password. */
    readonly credential?: Credential;
  }
  /** `ownerId`: the person or organization whose namespace the robot belongs to. */
  | { readonly kind: "robot"; readonly id: number; readonly username: string; readonly ownerId: number }
  /** Somebody at the machine's own shell. May do everything. */
  | { readonly kind: "operator" };

export const ANONYMOUS: Actor = { kind: "anonymous" };

type AccessDeps = Pick<Deps, "sql" | "config">;
/** What the rules need to know of a repository. */
type Target = Pick<RepositoryRef, "id" | "namespaceId" | "visibility" | "inOrganization">;

/** In `SUPER_USERS`, and with a credential that may be used so. */
export function isSuperuser(config: Config, actor: Actor): boolean {
  return actor.kind === "user" && hasAny(actor, "super:user") && isNamedSuperuser(config, actor.username);
}

/**
 * In `GLOBAL_READONLY_SUPER_USERS`: reads everything, changes nothing by virtue of it. A token needs `super:user`; what is in
 * repositories may also be read with the scopes for that ({@link readsEveryRepository}).
 */
export function isGlobalReadonlySuperuser(config: Config, actor: Actor): boolean {
  return actor.kind === "user" && hasAny(actor, "super:user") &&
    config.GLOBAL_READONLY_SUPER_USERS.includes(actor.username);
}

/** Whether `actor` is a global read-only superuser with a credential that may read repositories. */
export function readsEveryRepository(config: Config, actor: Actor): boolean {
  return actor.kind === "user" && hasAny(actor, "super:user", "repo:read", "repo:write", "repo:admin") &&
    config.GLOBAL_READONLY_SUPER_USERS.includes(actor.username);
}

/**
 * Under `FEATURE_RESTRICTED_USERS`: may create no organization, and neither create nor push in the own namespace.
 * A robot is restricted when its owner is; superusers never are.
 */
export function isRestrictedUser(config: Config, actor: Actor): boolean {
  if (!config.FEATURE_RESTRICTED_USERS || (actor.kind !== "user" && actor.kind !== "robot")) return false;
  const name = actor.kind === "robot" ? actor.username.split("+", 1)[0]! : actor.username;
  return !isNamedSuperuser(config, name) && !(config.RESTRICTED_USERS_WHITELIST ?? []).includes(name);
}

/** What `actor` may do with one repository, whatever state that is in. */
export interface RepositoryRights {
  readonly read: boolean;
  readonly write: boolean;
  readonly admin: boolean;
}

/** All three answers for the price of one SQL statement. */
export async function repositoryRights(
  deps: AccessDeps,
  actor: Actor,
  repository: Target,
): Promise<RepositoryRights> {
  const role = await repositoryRole(deps, actor, repository);
  const closed = isRestrictedThere(deps.config, actor, repository);
  return {
    read: role !== undefined || isReadableAnyway(deps.config, actor, repository),
    write: !closed && (role === "write" || role === "admin"),
    admin: role === "admin",
  };
}

/** Public ones (to strangers with `FEATURE_ANONYMOUS_ACCESS`), and those that {@link repositoryRole} gives. */
export async function canReadRepository(
  deps: AccessDeps,
  actor: Actor,
  repository: Target,
): Promise<boolean> {
  return isReadableAnyway(deps.config, actor, repository) ||
    await repositoryRole(deps, actor, repository) !== undefined;
}

/** Says nothing about the repository's state: a read-only one can be writable by right. */
export async function canWriteRepository(
  deps: AccessDeps,
  actor: Actor,
  repository: Target,
): Promise<boolean> {
  return (await repositoryRights(deps, actor, repository)).write;
}

export async function canAdministerRepository(
  deps: AccessDeps,
  actor: Actor,
  repository: Target,
): Promise<boolean> {
  return await repositoryRole(deps, actor, repository) === "admin";
}

/** Whether `actor` may read the repository without any right on it. */
function isReadableAnyway(config: Config, actor: Actor, { visibility }: Target): boolean {
  if (visibility === "public" && (actor.kind !== "anonymous" || config.FEATURE_ANONYMOUS_ACCESS)) return true;
  return readsEveryRepository(config, actor);
}

/**
 * The right that `actor` has on the repository, by one SQL statement: its own, through teams, as administrator of the
 * organization or as the namespace's owner; capped by the credential's scopes.
 */
export async function repositoryRole(
  { sql, config }: AccessDeps,
  actor: Actor,
  repository: Target,
): Promise<RepositoryRole | undefined> {
  if (hasEverything(config, actor)) return "admin";
  if (actor.kind !== "user" && actor.kind !== "robot") return undefined;
  const cap = roleCap(actor);
  if (cap === undefined) return undefined;
  const { id: repositoryId, namespaceId } = repository;
  const role = await selectRepositoryRole(sql, { repositoryId, namespaceId, userId: actor.id });
  return role === undefined || RANK[role] <= RANK[cap] ? role : cap;
}

/** Whether a robot or its owner pushes into the owner's own namespace while that is closed to it. */
function isRestrictedThere(config: Config, actor: Actor, { inOrganization, namespaceId }: Target): boolean {
  if (inOrganization || (actor.kind !== "user" && actor.kind !== "robot")) return false;
  return namespaceId === (actor.kind === "robot" ? actor.ownerId : actor.id) &&
    isRestrictedUser(config, actor);
}

/** In the own namespace, and in organizations whose team with the role `creator` or `admin` the actor is in. */
export async function canCreateRepository(
  { sql, config }: AccessDeps,
  actor: Actor,
  namespace: string,
): Promise<boolean> {
  if (hasEverything(config, actor)) return true;
  if (actor.kind !== "user" && actor.kind !== "robot" || !hasAny(actor, "repo:create", "org:admin")) {
    return false;
  }
  const standing = await selectNamespaceStanding(sql, namespace, actor.id);
  if (standing === undefined) return false;
  if (standing.owned) return hasAny(actor, "repo:create") && !isRestrictedUser(config, actor);
  return isCreator(standing);
}

function isCreator({ organization, teamRole }: NamespaceStanding): boolean {
  return organization && (teamRole === "admin" || teamRole === "creator");
}

/** Members of a team with the role `admin`; superusers with `FEATURE_SUPERUSERS_FULL_ACCESS`. */
export async function canAdministerOrganization(
  { sql, config }: AccessDeps,
  actor: Actor,
  organization: string,
): Promise<boolean> {
  if (hasEverything(config, actor)) return true;
  if (actor.kind !== "user" && actor.kind !== "robot" || !hasAny(actor, "org:admin")) return false;
  const standing = await selectNamespaceStanding(sql, organization, actor.id);
  return standing?.organization === true && standing.teamRole === "admin";
}

/** People, unless restricted; only superusers under `FEATURE_SUPERUSERS_ORG_CREATION_ONLY`. */
export function canCreateOrganization(config: Config, actor: Actor): boolean {
  if (actor.kind === "operator") return true;
  if (actor.kind !== "user" || !hasAny(actor, "user:admin")) return false;
  if (config.FEATURE_SUPERUSERS_ORG_CREATION_ONLY) return isSuperuser(config, actor);
  return !isRestrictedUser(config, actor);
}

/** The operator, and superusers with `FEATURE_SUPERUSERS_FULL_ACCESS`. */
function hasEverything(config: Config, actor: Actor): boolean {
  return actor.kind === "operator" || config.FEATURE_SUPERUSERS_FULL_ACCESS && isSuperuser(config, actor);
}

/** Whether whoever has that name is in `SUPER_USERS`, whatever they came in with. */
export function isNamedSuperuser(config: Config, username: string): boolean {
  return config.FEATURE_SUPER_USERS && config.SUPER_USERS.includes(username);
}

const RANK: Readonly<Record<RepositoryRole, number>> = { read: 1, write: 2, admin: 3 };

/** The strongest repository role that the credential can carry. */
function roleCap(actor: Actor): RepositoryRole | undefined {
  if (hasAny(actor, "repo:admin")) return "admin";
  if (hasAny(actor, "repo:write")) return "write";
  return hasAny(actor, "repo:read") ? "read" : undefined;
}

function hasAny(actor: Actor, ...wanted: readonly Scope[]): boolean {
  if (actor.kind === "robot") return true;
  if (actor.kind !== "user") return false;
  const { scopes } = actor;
  return scopes === "all" || wanted.some((scope) => scopes.has(scope));
}

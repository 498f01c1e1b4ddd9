/**
 * What the rules of the table mean, worked out from the facts of the world alone. Deliberately written without anything
 * of `src/domain`: it is what that is compared with.
 */
import type { Caller } from "./callers.ts";
import type { RouteRule } from "./rules.ts";
import { DISABLED, HOME, PEOPLE, type Person, type Target } from "./world.ts";
import type { Variant } from "./variants.ts";

export interface Case {
  readonly route: RouteRule & { readonly method: string };
  readonly caller: Caller;
  readonly target: Target;
  readonly variant: Variant;
  /** The path's last parameter names nothing that is there. */
  readonly absent: boolean;
}

/** The status that a row must have. */
export function expectedStatus({ route, caller, target, variant, absent }: Case): number {
  const special = route.except?.find((exception) =>
    (exception.callers?.includes(caller.name) ?? true) &&
    (exception.targets?.includes(target.name) ?? true) &&
    (exception.variants?.includes(variant.name) ?? true)
  );
  if (special !== undefined) return special.status;
  const changes = route.method !== "GET";
  if (changes && caller.noCsrf && route.noCsrf !== true) return 403;
  if (variant.noAnonymous && caller.person === undefined && route.anonymousAlways !== true) return 401;
  if (changes && variant.readonly && route.readonlyToo !== true) return 503;
  if (route.FL && caller.stale) return 401;
  if (route.features?.some((feature) => variant.without?.includes(feature))) return 404;
  const refused = caller.person === undefined ? 401 : 403;
  if (!mayCall(route.who, caller, target, variant)) return refused;
  const here = route.okOn?.[target.name];
  if (here !== undefined) return here;
  if (target.missing) return 404;
  if (route.content && target.state !== undefined) return 503;
  if (absent) return route.absent ?? 404;
  return route.ok;
}

function mayCall(who: string, caller: Caller, target: Target, variant: Variant): boolean {
  return who.split(" ").some((either) =>
    either.split("&").every((word) => holds(word, caller, target, variant))
  );
}

function holds(word: string, caller: Caller, target: Target, variant: Variant): boolean {
  if (word === "anyone") return true;
  if (word === "stranger") return caller.person === undefined;
  if (caller.person === undefined) return word === "R:read" && target.visibility === "public";
  const facts: Person = PEOPLE[caller.person];
  const isSuperuser = facts.superuser === true && hasScope(caller, "super:user");
  const team = target.namespace === HOME || target.namespace === DISABLED ? facts.team : undefined;
  const isRestricted = variant.restricted === true && !facts.superuser && !facts.unrestricted;
  const isOwn = target.namespace === "{caller}";
  switch (word) {
    case "U:read":
      return hasScope(caller, "user:read", "user:admin");
    case "U:adm":
      return hasScope(caller, "user:admin");
    case "unrestricted":
      return !isRestricted;
    case "A":
      return team === "admin" && hasScope(caller, "org:admin");
    case "M":
      return team !== undefined && hasScope(caller, "org:admin");
    case "O":
      return isOwn && hasScope(caller, "user:admin");
    // The team that paths name is the one of members.
    case "T":
      return team === "member" && hasScope(caller, "org:admin");
    case "C":
      if (variant.fullAccess && isSuperuser) return true;
      if (isOwn) return hasScope(caller, "repo:create") && !isRestricted;
      return (team === "admin" || team === "creator") && hasScope(caller, "repo:create", "org:admin");
    case "SU":
      return isSuperuser;
    case "SUF":
      return isSuperuser && variant.fullAccess === true;
    case "GRO":
      return facts.globalReadonly === true && hasScope(caller, "super:user");
    case "R:read":
    case "R:write":
    case "R:admin": {
      // To those who could make it there, a missing repository is missing; to others it looks like one that is foreign.
      if (target.missing) {
        return holds("C", caller, target, variant) ||
          word === "R:read" && facts.globalReadonly === true && hasScope(caller, "super:user", ...REPOSITORY);
      }
      if (word === "R:write" && isOwn && isRestricted) return false;
      return ROLES.indexOf(roleOn(caller, target, variant)) >= ROLES.indexOf(word.slice(2) as Role);
    }
    default:
      throw new Error(`the table has a word that nobody has explained: ${word}`);
  }
}

type Role = "none" | "read" | "write" | "admin";
const ROLES: readonly Role[] = ["none", "read", "write", "admin"];
const REPOSITORY = ["repo:read", "repo:write", "repo:admin"] as const;

/** The strongest of what the caller has on a repository that is there. */
function roleOn(caller: Caller, target: Target, variant: Variant): Role {
  if (caller.person === undefined) return target.visibility === "public" ? "read" : "none";
  const facts: Person = PEOPLE[caller.person];
  if (variant.fullAccess && facts.superuser && hasScope(caller, "super:user")) return "admin";
  const found: Role[] = [];
  if (target.visibility === "public") found.push("read");
  if (facts.globalReadonly && hasScope(caller, "super:user", ...REPOSITORY)) found.push("read");
  if (target.namespace === "{caller}") found.push(capped(caller, "admin"));
  if (target.namespace === HOME || target.namespace === DISABLED) {
    if (facts.team === "admin") found.push(capped(caller, "admin"));
    if (facts.role !== undefined) found.push(capped(caller, facts.role));
  }
  return found.reduce(
    (best, role) => ROLES.indexOf(role) > ROLES.indexOf(best) ? role : best,
    "none" as Role,
  );
}

/** A token carries no more than its scopes say. */
function capped(caller: Caller, role: Role): Role {
  const most: Role = hasScope(caller, "repo:admin")
    ? "admin"
    : hasScope(caller, "repo:write")
    ? "write"
    : hasScope(caller, "repo:read")
    ? "read"
    : "none";
  return ROLES.indexOf(role) < ROLES.indexOf(most) ? role : most;
}

function hasScope({ scopes }: Caller, ...any: readonly string[]): boolean {
  return scopes === undefined || scopes.some((scope) => any.includes(scope));
}

import type { Config } from "../../config/schema.ts";
import { type Scope, SCOPES } from "../access/access.ts";

/** What a scope means, in the words that people decide by. */
export interface ScopeInfo {
  readonly scope: Scope;
  readonly title: string;
  readonly description: string;
  /** Quay's consoles show a glyph of that name. */
  readonly icon: string;
  /** Hands over more than content: whoever consents is warned. */
  readonly dangerous: boolean;
}

const ABOUT: Readonly<Record<Scope, Omit<ScopeInfo, "scope">>> = {
  "repo:read": {
    title: "View all visible repositories",
    description: "See and pull every repository that you can see.",
    icon: "fa-hdd-o",
    dangerous: false,
  },
  "repo:write": {
    title: "Read and write to any accessible repositories",
    description: "See, pull, push to and change every repository that you can push to.",
    icon: "fa-hdd-o",
    dangerous: false,
  },
  "repo:admin": {
    title: "Administer repositories",
    description: "Administer every repository that you administer, including who else may use it.",
    icon: "fa-hdd-o",
    dangerous: false,
  },
  "repo:create": {
    title: "Create repositories",
    description: "Create repositories wherever you may.",
    icon: "fa-plus",
    dangerous: false,
  },
  "user:read": {
    title: "Read user information",
    description: "See your user name, e-mail address and organizations.",
    icon: "fa-user",
    dangerous: false,
  },
  "user:admin": {
    title: "Administer user",
    description: "Change your account: its settings, robot accounts, tokens and starred repositories.",
    icon: "fa-gear",
    dangerous: true,
  },
  "org:admin": {
    title: "Administer organization",
    description: "Administer your organizations: teams, robot accounts, billing contacts and applications.",
    icon: "fa-gear",
    dangerous: true,
  },
  "super:user": {
    title: "Super user access",
    description: "Administer this whole registry: every user and organization, keys and settings.",
    icon: "fa-street-view",
    dangerous: true,
  },
};

/** What a scope of a consent covers besides itself (api.md §0): unlike for permissions, `user:admin` covers no other. */
const COVERS: Partial<Record<Scope, readonly Scope[]>> = {
  "repo:write": ["repo:read"],
  "repo:admin": ["repo:read", "repo:write"],
};

/** Scopes separated by spaces or commas; one unknown scope voids them all, as in Quay. */
export function parseScopes(text: string): ReadonlySet<Scope> {
  const names = text.split(/[\s,]+/).filter((name) => name !== "");
  const known = names.filter((name): name is Scope => (SCOPES as readonly string[]).includes(name));
  return new Set(known.length === names.length ? known : []);
}

/** Scopes that somebody may ask for here; empty when one is unknown, or `super:user` where there are no superusers. */
export function parseRequestedScopes(
  config: Pick<Config, "FEATURE_SUPER_USERS">,
  text: string,
): ReadonlySet<Scope> {
  const scopes = parseScopes(text);
  return scopes.has("super:user") && !config.FEATURE_SUPER_USERS ? new Set() : scopes;
}

/** As they are stored and sent: each once, in the order of Quay's list, separated by spaces. */
export function formatScopes(scopes: ReadonlySet<Scope>): string {
  return SCOPES.filter((scope) => scopes.has(scope)).join(" ");
}

export function describeScopes(scopes: ReadonlySet<Scope>): ScopeInfo[] {
  return SCOPES.filter((scope) => scopes.has(scope)).map((scope) => ({ scope, ...ABOUT[scope] }));
}

/** Whether somebody who has consented to `held` has consented to `wanted`. */
export function coversScopes(held: ReadonlySet<Scope>, wanted: ReadonlySet<Scope>): boolean {
  const covered = new Set([...held].flatMap((scope) => [scope, ...COVERS[scope] ?? []]));
  return [...wanted].every((scope) => covered.has(scope));
}

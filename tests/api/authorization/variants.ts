import type { Config } from "../../../src/config/schema.ts";
import type { Caller } from "./callers.ts";
import type { RouteRule } from "./rules.ts";

/** A configuration under which rows are asked: what it changes, and whom and what it can change something for. */
export interface Variant {
  readonly name: string;
  readonly config: Partial<Config>;
  readonly fullAccess?: true;
  readonly restricted?: true;
  readonly readonly?: true;
  readonly noAnonymous?: true;
  /** Features that are off. */
  readonly without?: readonly string[];
  concerns(caller: Caller, route: RouteRule & { method: string }): boolean;
  /** Only those of that name; absent: all. */
  readonly targets?: readonly string[];
}

/** Enough where the state of the target makes no difference to what is asked. */
const FEW_TARGETS = [
  "public",
  "private",
  "own",
  "own organization",
  "own organization's namespace",
  "own namespace",
  "the registry",
];

/** One that makes a superuser, and some that must not. */
const SOME_SCOPES = ["super:user", "repo:admin", "org:admin", "user:admin"];
const ANYBODY = ["anonymous", "outsider", "organization admin", "superuser", "superuser's super:user"];

/** All of `features` on or off. */
export function switched(features: readonly string[], on: boolean): Partial<Config> {
  return Object.fromEntries(features.map((feature) => [feature, on])) as unknown as Partial<Config>;
}

/** @param features all that routes say they hang on */
export function variants(features: readonly string[]): Variant[] {
  return [
    { name: "ordinary", config: {}, concerns: () => true },
    {
      name: "FEATURE_SUPERUSERS_FULL_ACCESS",
      config: { FEATURE_SUPERUSERS_FULL_ACCESS: true },
      fullAccess: true,
      concerns: ({ person, name, scopes }) =>
        person === "root" && (scopes === undefined || SOME_SCOPES.includes(scopes[0]!)) ||
        ["read-only superuser", "outsider"].includes(name),
    },
    {
      name: "FEATURE_RESTRICTED_USERS",
      config: { FEATURE_RESTRICTED_USERS: true, RESTRICTED_USERS_WHITELIST: ["alice", "carl"] },
      restricted: true,
      targets: FEW_TARGETS,
      concerns: ({ person, scopes, noCsrf, stale }, { method }) =>
        person !== undefined && method !== "GET" && scopes === undefined && !noCsrf && !stale,
    },
    {
      name: "REGISTRY_STATE: readonly",
      config: { REGISTRY_STATE: "readonly" },
      readonly: true,
      targets: FEW_TARGETS,
      concerns: ({ name }) => ANYBODY.includes(name),
    },
    {
      name: "without FEATURE_ANONYMOUS_ACCESS",
      config: { FEATURE_ANONYMOUS_ACCESS: false },
      noAnonymous: true,
      targets: FEW_TARGETS,
      concerns: ({ name }) => name === "anonymous" || name === "robot" || name === "outsider",
    },
    {
      name: "features off",
      config: switched(features, false),
      without: features,
      concerns: ({ name }, route) => ANYBODY.includes(name) && route.features !== undefined,
    },
  ];
}

/**
 * The language of the table. A resource file says for each route who may call it, in the words of Quay's documentation:
 *
 * | word | who |
 * | --- | --- |
 * | `anyone` | everybody, signed in or not |
 * | `stranger` | who is not signed in |
 * | `U:read`, `U:adm` | a person, about the own account; tokens need `user:read` or `user:admin` |
 * | `A`, `M` | administrator, member of the organization; tokens need `org:admin` |
 * | `O` | the person whose own namespace it is; tokens need `user:admin` |
 * | `T` | member of the team that the path names; tokens need `org:admin` |
 * | `C` | who may create repositories in the namespace; tokens need `repo:create` (`org:admin` in organizations) |
 * | `R:read`, `R:write`, `R:admin` | that role on the repository; tokens need `repo:read`, `repo:write`, `repo:admin` |
 * | `SU` | superuser; tokens need `super:user` |
 * | `SUF` | superuser with `FEATURE_SUPERUSERS_FULL_ACCESS`; tokens need `super:user` |
 * | `GRO` | global read-only superuser; tokens need `super:user` |
 * | `unrestricted` | a person whom `FEATURE_RESTRICTED_USERS` does not restrict |
 *
 * Words with a space between them: either. Words joined by `&`: both.
 */
export type Rule = string;

/** Something in the world that a route is called on. */
export type TargetKind = "repository" | "organization" | "namespace" | "registry";

export interface RouteRule {
  readonly who: Rule;
  /** Status for those who may, on a target that is there. */
  readonly ok: number;
  /** What the path's parameters are; `{namespace}`, `{name}`, `{orgname}` come from the target. */
  readonly with?: Readonly<Record<string, string>>;
  /** Sent as JSON; `{parameters}` in texts are filled in. */
  readonly body?: unknown;
  readonly query?: string;
  /** By the path, unless it is said here: a namespace is one that the body or the query names. */
  readonly on?: TargetKind;
  /** Needs a sign-in within `FRESH_LOGIN_TIMEOUT`. */
  readonly FL?: true;
  /** Absent (404) while one of these is off. */
  readonly features?: readonly string[];
  /** Changes what is in the repository: 503 unless its state is NORMAL. */
  readonly content?: true;
  /** Answers people who are not signed in even without `FEATURE_ANONYMOUS_ACCESS`. */
  readonly anonymousAlways?: true;
  /** Needs no CSRF token. */
  readonly noCsrf?: true;
  /** Works while the registry is read-only. */
  readonly readonlyToo?: true;
  /** Status for those who may on targets, by their names, where it is another one; and the reason is beside it. */
  readonly okOn?: Readonly<Record<string, number>>;
  /** Status for those who may when the last parameter names nothing; absent: that is not a case of its own. */
  readonly absent?: number;
  /** Before all else: the first that fits decides. */
  readonly except?: readonly Exception[];
}

/** A row that the rule does not give, and the reason. */
export interface Exception {
  /** Callers by name; absent: all. */
  readonly callers?: readonly string[];
  /** Targets by name; absent: all. */
  readonly targets?: readonly string[];
  /** Variants by name; absent: all. */
  readonly variants?: readonly string[];
  readonly status: number;
  readonly why: string;
}

export interface Resource {
  /** By `METHOD /path`, as in the route. */
  readonly routes: Readonly<Record<string, RouteRule>>;
  /** Puts into the world what the routes need, once. */
  prepare?(world: import("./world.ts").World): Promise<void>;
}

import type { z } from "zod";
import type { Actor, Scope } from "../../domain/access/access.ts";
import type { Deps } from "../../domain/deps.ts";
import type { Session } from "../../domain/accounts/sessions.ts";

/** Names of the `{parameters}` in a path. */
type PathParams<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | PathParams<Rest>
  : never;

/** What a handler is given: everything has been parsed, and who asks is known. */
export interface ApiRequest<Name extends string = string, Body = unknown, Query = unknown> {
  readonly deps: Deps;
  readonly actor: Actor;
  readonly params: Readonly<Record<Name, string>>;
  readonly body: Body;
  readonly query: Query;
  /** `scheme://host` as the outside world sees the registry. */
  readonly baseUrl: string;
  /** Makes `session` the browser's session from the answer on. */
  setSession(session: Session): void;
}

/** What a handler answers: JSON, a document of its own kind, or nothing. */
export interface ApiReply {
  readonly status: number;
  readonly json?: unknown;
  readonly document?: { readonly type: string; readonly text: string };
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RouteSpec<Path extends string, Body, Query> {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /**
   * Below `/api/v1`, with `{parameters}`; `{repository}` is `namespace/name`, whose name may have slashes. Whether it ends
   * with `/` matters: the other form is answered 308.
   */
  readonly path: Path;
  /** Quay's, unique in the whole API. */
  readonly operationId: string;
  readonly summary: string;
  /** What an OAuth token needs; told to readers, enforced by the domain. */
  readonly scope?: Scope;
  readonly body?: z.ZodType<Body>;
  readonly query?: z.ZodType<Query>;
  /** Status and what comes with it; null: no body, or none that is JSON. */
  readonly responses: Readonly<Record<number, z.ZodType | null>>;
  /** Answers people who are not signed in even with `FEATURE_ANONYMOUS_ACCESS: false`. */
  readonly allowAnonymous?: true;
  /** Needs no CSRF token. */
  readonly skipCsrf?: true;
  /** Needs a password typed within `FRESH_LOGIN_TIMEOUT` (tokens are exempt). */
  readonly freshLogin?: true;
  /** Says the same to everybody, so that a browser may be led to it (`BROWSER_API_CALLS_XHR_ONLY`). */
  readonly forBrowsers?: true;
  /** Works while `REGISTRY_STATE` is readonly. */
  readonly allowReadonly?: true;
  handle(request: ApiRequest<PathParams<Path>, Body, Query>): Promise<ApiReply>;
}

/** A route whose types have done their work. */
export type Route = Omit<RouteSpec<string, unknown, unknown>, "handle"> & {
  handle(request: ApiRequest): Promise<ApiReply>;
};

/** Keeps a route's schema and its handler together, and checks one against the other. */
export function defineRoute<Path extends string, Body = undefined, Query = undefined>(
  spec: RouteSpec<Path, Body, Query>,
): Route {
  return spec as unknown as Route;
}

/** 200 with `json`, or another status. */
export function reply(json: unknown, status = 200, headers?: Record<string, string>): ApiReply {
  return { status, json, ...(headers === undefined ? {} : { headers }) };
}

export const NO_CONTENT: ApiReply = { status: 204 };

/** Splits `namespace/name/with/slashes` at the first slash. */
export function repositoryPath(path: string): { namespace: string; name: string } {
  const slash = path.indexOf("/");
  return { namespace: path.slice(0, slash), name: path.slice(slash + 1) };
}

/** Which route and parameters a path means; or where it should have gone; or the methods that it knows. */
export type Match =
  | { kind: "route"; route: Route; params: Record<string, string> }
  | { kind: "redirect" }
  | { kind: "method"; allowed: string[] }
  | { kind: "none" };

/** Finds routes. Those with a suffix after `{repository}` come first, so that `a/b/tag/` is the tags of `a/b`. */
export class RouteTable {
  readonly #entries: { pattern: RegExp; other: RegExp; route: Route }[];

  constructor(routes: readonly Route[]) {
    const specific = [...routes].sort((a, b) => rank(a.path) - rank(b.path));
    this.#entries = specific.map((route) => ({
      route,
      pattern: compile(route.path),
      other: compile(route.path.endsWith("/") ? route.path.slice(0, -1) : `${route.path}/`),
    }));
  }

  /** @param path decoded, below the API's root, with its leading slash */
  find(method: string, path: string): Match {
    const wanted = method === "HEAD" ? "GET" : method;
    const allowed: string[] = [];
    let owner: string | undefined;
    for (const { pattern, other, route } of this.#entries) {
      // The most specific route owns the path, for every method: a wider one does not get what it lacks.
      if (owner !== undefined && owner !== route.path) continue;
      const found = pattern.exec(path);
      if (found !== null) {
        owner = route.path;
        if (route.method === wanted) return { kind: "route", route, params: { ...found.groups } };
        allowed.push(route.method);
      } else if (owner === undefined && other.test(path)) return { kind: "redirect" };
    }
    return allowed.length > 0 ? { kind: "method", allowed } : { kind: "none" };
  }
}

/** Paths that end in a parameter with slashes are the widest. */
function rank(path: string): number {
  if (path.endsWith("{repository}")) return 2;
  return path.includes("{") ? 1 : 0;
}

function compile(path: string): RegExp {
  const source = path.split(/(\{[^}]+\})/).map((part) => {
    const name = /^\{(.+)\}$/.exec(part)?.[1];
    if (name === undefined) return part.replace(/[.+*?^$()|[\]\\]/g, "\\$&");
    return name === "repository" ? `(?<${name}>[^/]+/.*[^/])` : `(?<${name}>[^/]+)`;
  }).join("");
  return new RegExp(`^${source}$`, "s");
}

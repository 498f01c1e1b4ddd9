import { type Caller, CALLERS } from "./callers.ts";
import { type Case, expectedStatus } from "./expected.ts";
import type { RouteRule, TargetKind } from "./rules.ts";
import { RESOURCES } from "./table.ts";
import { type Target, TARGETS, type World } from "./world.ts";
import { type Variant, variants } from "./variants.ts";

export type DescribedRoute = RouteRule & { readonly method: string; readonly path: string };

export interface Row extends Case {
  readonly route: DescribedRoute;
  readonly expected: number;
}

/** Every route that the table describes. */
export const ROUTES: readonly DescribedRoute[] = RESOURCES.flatMap(({ routes }) =>
  Object.entries(routes).map(([call, rule]) => {
    const [method = "", path = ""] = call.split(" ");
    return { ...rule, method, path };
  })
);

/** What routes hang on: all of it is on, but in the variant that asks what is when it is off. */
export const FEATURES: readonly string[] = [...new Set(ROUTES.flatMap(({ features }) => features ?? []))];

export const VARIANTS: readonly Variant[] = variants(FEATURES);

/** A sub-resource that nowhere is. */
const NOTHING = "nothing-of-that-name";

/** The rows of one variant. */
export function rowsOf(variant: Variant): Row[] {
  return ROUTES.flatMap((route) =>
    CALLERS.filter((caller) => variant.concerns(caller, route) && tells(caller, route)).flatMap((caller) =>
      targetsOf(route).filter((target) =>
        isWorthAsking(caller, target) && (variant.targets?.includes(target.name) ?? true)
      ).flatMap((target) =>
        absences(variant, caller, route).map((absent) => {
          const row = { route, caller, target, variant, absent };
          return { ...row, expected: expectedStatus(row) };
        })
      )
    )
  );
}

/** Whether the path's last parameter is to name something, nothing, or first one and then the other. */
function absences({ name }: Variant, { scopes }: Caller, { absent }: DescribedRoute): boolean[] {
  return absent === undefined || name !== "ordinary" || scopes !== undefined ? [false] : [false, true];
}

export function targetsOf({ path, on }: DescribedRoute): Target[] {
  const kind: TargetKind = on ??
    (path.includes("{repository}") ? "repository" : path.includes("{orgname}") ? "organization" : "registry");
  return TARGETS.filter((target) => target.kind === kind);
}

/** Callers who differ from others only before something: no rows where that is not asked. */
function tells({ person, scopes, noCsrf, stale, robot }: Caller, { method, FL }: DescribedRoute): boolean {
  if (stale) return FL === true;
  // What only reads things is tried for changes with the one scope that might carry more.
  if (person === "greta" && scopes !== undefined && method !== "GET") return scopes.includes("super:user");
  return noCsrf !== true || robot !== undefined || method !== "GET";
}

function isWorthAsking({ person, scopes, stale, noCsrf }: Caller, target: Target): boolean {
  if (person === undefined && target.namespace === "{caller}" && target.kind !== "registry") return false;
  // What a scope is worth shows on what belongs to the holder, and on what only a superuser gets at.
  if (scopes !== undefined && person !== "alice") {
    return ["private", "own organization", "own organization's namespace", "the registry"].includes(
      target.name,
    );
  }
  return !(target.forPeople && (scopes !== undefined || stale || noCsrf));
}

/** What to send for the row, in a world. */
export function requestOf(world: World, row: Omit<Row, "expected" | "variant">) {
  const { route, caller, target, absent } = row;
  const namespace = target.namespace === "{caller}" ? caller.person ?? "oscar" : target.namespace;
  const repository = `${namespace}/${target.repository}`;
  const names: Record<string, string> = {
    ...world.parametersOf(""),
    ...world.parametersOf(namespace),
    ...world.parametersOf(repository),
    digest: world.digest,
    namespace,
    name: target.repository ?? "",
    orgname: namespace,
    repository,
  };
  const fill = (text: string): string =>
    text.replace(/\{(\w+)\}/g, (_, name) => {
      const value = route.with?.[name] === undefined ? names[name] : fill(route.with[name]);
      if (value !== undefined) return value;
      if (target.missing) return NOTHING;
      throw new Error(`${route.method} ${route.path}: nobody says what {${name}} is in ${repository}`);
    });
  const path = absent ? route.path.replace(/\{\w+\}(?=[^{]*$)/, NOTHING) : route.path;
  return {
    method: route.method,
    path: `/api/v1${fill(path)}${route.query === undefined ? "" : `?${fill(route.query)}`}`,
    body: route.body === undefined ? undefined : fill(JSON.stringify(route.body)),
  };
}

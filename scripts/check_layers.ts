/**
 * Holds the house to its directions of import (DESIGN: main -> cli -> app -> http, workers -> domain -> drivers -> oci ->
 * lib). Prints each import that no rule allows, and each cycle, and ends with 1 when there is one.
 */

/** First pattern that matches a file's path names its layer. */
const LAYERS: readonly (readonly [layer: string, pattern: RegExp])[] = [
  ["main", /^main\.ts$/],
  ["cli", /^src\/cli\//],
  // Composition: app.ts and what it is made of (node, appliance, HTTP thread).
  ["app", /^src\/[^/]+\.ts$/],
  ["http", /^src\/http\//],
  ["workers", /^src\/workers\//],
  ["domain", /^src\/domain\//],
  ["driver interface", /^src\/drivers\/\w+\/driver\.ts$/],
  ["database client", /^src\/drivers\/database\/postgres\.ts$/],
  ["queries", /^src\/drivers\/database\/queries\//],
  ["driver", /^src\/drivers\//],
  ["config", /^src\/config\//],
  ["oci", /^src\/oci\//],
  ["lib", /^src\/lib\//],
  ["manifest", /^(deno\.json|CHANGELOG\.md)$/],
];

/** Below every other layer. */
const COMMON = ["config", "lib"];
/** What stands for a driver in the layers above it. */
const CONTRACTS = ["driver interface", "database client", "queries"];

/** What each layer may import beside itself. Exceptions from the straight way down carry their reason. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  // `app` and `http`: an HTTP worker is main.ts again, in a thread of its own, and no command.
  main: ["cli", "app", "http"],
  // `driver`: commands that look after a node's parts (check, backup) work on the drivers themselves.
  cli: ["app", "domain", ...CONTRACTS, "driver", "oci", ...COMMON],
  app: ["http", "workers", "domain", ...CONTRACTS, "driver", "oci", ...COMMON],
  // `database client`: its errors become answers. SQL is domain's business.
  http: ["domain", "driver interface", "database client", "oci", ...COMMON],
  workers: ["domain", ...CONTRACTS, "oci", ...COMMON],
  domain: [...CONTRACTS, "oci", ...COMMON],
  driver: [...CONTRACTS, "oci", ...COMMON],
  "driver interface": ["oci", ...COMMON],
  queries: ["database client", "oci", ...COMMON],
  "database client": COMMON,
  oci: ["lib"],
  config: ["lib"],
  // `manifest`: the version number is deno.json's, the change log a file beside it.
  lib: ["manifest"],
};

/** Packages that only some layers may use. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  hono: ["http", "app"],
  postgres: ["database client", "queries", "driver"],
};

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly code?: { readonly specifier?: string };
    readonly type?: { readonly specifier?: string };
    readonly isDynamic?: boolean;
  }[];
}

interface Import {
  readonly from: string;
  readonly to: string;
  /** Types only: no part of a cycle, since nothing is loaded. */
  readonly typeOnly: boolean;
}

const root = new URL("..", import.meta.url);
const modules = await graph();
const imports: Import[] = [];
const problems: string[] = [];
for (const module of modules) {
  const from = pathOf(module.specifier);
  if (from === undefined) continue;
  for (const { specifier, code, type } of module.dependencies ?? []) {
    const to = pathOf(code?.specifier ?? type?.specifier ?? "");
    if (to === undefined) checkPackage(from, specifier);
    else imports.push({ from, to, typeOnly: code === undefined });
  }
}
for (const { from, to } of imports) {
  const [importer, imported] = [layerOf(from), layerOf(to)];
  if (importer !== imported && !MAY_IMPORT[importer]?.includes(imported)) {
    problems.push(`${from} -> ${to}: ${importer} must not import ${imported}`);
  }
}
for (const cycle of cycles(imports.filter(({ typeOnly }) => !typeOnly))) {
  problems.push(`${cycle.join(" -> ")}: a cycle`);
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) Deno.exit(1);
console.log(`layers: ${imports.length} imports follow the rules`);

async function graph(): Promise<Module[]> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "main.ts"],
    cwd: root,
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("deno info failed");
  return JSON.parse(new TextDecoder().decode(stdout)).modules;
}

/** Path inside the project, or `undefined` for a package. */
function pathOf(specifier: string): string | undefined {
  if (!specifier.startsWith(root.href) || specifier.includes("/node_modules/")) return undefined;
  return specifier.slice(root.href.length);
}

function layerOf(path: string): string {
  const found = LAYERS.find(([, pattern]) => pattern.test(path));
  if (found === undefined) throw new Error(`${path} is in no layer: see LAYERS in scripts/check_layers.ts`);
  return found[0];
}

function checkPackage(from: string, specifier: string): void {
  const name = specifier.split("/")[0]!;
  if (!Object.hasOwn(PACKAGES, name) || PACKAGES[name]!.includes(layerOf(from))) return;
  problems.push(`${from} -> ${specifier}: only ${PACKAGES[name]!.join(" and ")} may use ${name}`);
}

/** One path for each back edge of a depth-first walk. */
function cycles(edges: readonly Import[]): string[][] {
  const targets = new Map<string, string[]>();
  for (const { from, to } of edges) targets.set(from, [...targets.get(from) ?? [], to]);
  const done = new Set<string>();
  const found: string[][] = [];
  const visit = (file: string, path: readonly string[]) => {
    const at = path.indexOf(file);
    if (at !== -1) found.push([...path.slice(at), file]);
    if (at !== -1 || done.has(file)) return;
    for (const to of new Set(targets.get(file))) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  return found;
}

/**
 * `scripts/build`: decides which kind of binary can be made and makes it, unless it is there already from the same inputs.
 * Beside it: its SHA-256, and the hash of the inputs.
 */
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { buildCompiled } from "./compile.ts";
import { hashInputs } from "./inputs.ts";
import { run } from "./run.ts";
import { type BuildOptions, buildSelfExtracting } from "./self_extracting.ts";

export type Target = "x86_64" | "aarch64";

const { values } = parseArgs({
  options: {
    target: { type: "string", default: Deno.build.arch },
    kind: { type: "string", default: "auto" },
    out: { type: "string" },
    main: { type: "string", default: "main.ts" },
  },
});
const { target, kind } = values;
if (target !== "x86_64" && target !== "aarch64") {
  throw new Error(`--target is x86_64 or aarch64, not ${target}`);
}
if (!["auto", "compile", "self-extracting"].includes(kind)) {
  throw new Error(`--kind is auto, compile or self-extracting, not ${kind}`);
}

const out = values.out ?? (target === Deno.build.arch ? "dist/quaylet" : `dist/quaylet-${target}`);
await Deno.mkdir(out.replace(/[^/]*$/, "") || ".", { recursive: true });
const compiles = kind === "compile" || (kind === "auto" && Deno.env.get("DENORT_BIN") !== undefined);
const options: BuildOptions = {
  target,
  out,
  main: values.main,
  commit: await commit(),
  v8Flags: Deno.env.get("QUAYLET_V8_FLAGS") ?? "",
};
const inputs = await hashInputs({ ...options, compiles, deno: Deno.version.deno });
if (await isThere(inputs)) {
  console.log(`${out}: up to date`);
} else {
  console.log(`${out}: building, which takes half a minute`);
  await (compiles ? buildCompiled : buildSelfExtracting)(options);
  const bytes = await Deno.readFile(out);
  const sum = createHash("sha256").update(bytes).digest("hex");
  await Deno.writeTextFile(`${out}.sha256`, `${sum}  ${out.slice(out.lastIndexOf("/") + 1)}\n`);
  await Deno.writeTextFile(`${out}.inputs`, `${inputs} ${sum}\n`);
  const kindMade = compiles ? "compiled" : "self-extracting";
  console.log(`${out}: ${kindMade}, ${target}, ${(bytes.length / 1e6).toFixed(1)} MB`);
}

/** Whether `out` is what a build from these inputs left there. */
async function isThere(inputs: string): Promise<boolean> {
  const [made, sum] = (await Deno.readTextFile(`${out}.inputs`).catch(() => "")).trim().split(" ");
  if (made !== inputs) return false;
  const bytes = await Deno.readFile(out).catch(() => undefined);
  return bytes !== undefined && createHash("sha256").update(bytes).digest("hex") === sum;
}

/** Short commit of the sources, with `-changed` when they differ from it; `unknown` outside a git checkout. */
async function commit(): Promise<string> {
  const head = await run("git", ["rev-parse", "--short=12", "HEAD"]).catch(() => undefined);
  if (head === undefined) return "unknown";
  const changed = await run("git", ["status", "--porcelain", "--untracked-files=no"]);
  return head.trim() + (changed.trim() === "" ? "" : "-changed");
}

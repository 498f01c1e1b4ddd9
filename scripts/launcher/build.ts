/** `scripts/build`: decides which kind of binary can be made, makes it, and writes its SHA-256 beside it. */
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { buildCompiled } from "./compile.ts";
import { run } from "./run.ts";
import { buildSelfExtracting } from "./self_extracting.ts";

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
const build = compiles ? buildCompiled : buildSelfExtracting;
await build({ target, out, main: values.main, commit: await commit(), env: Deno.env.toObject() });
const bytes = await Deno.readFile(out);
const name = out.slice(out.lastIndexOf("/") + 1);
await Deno.writeTextFile(`${out}.sha256`, `${createHash("sha256").update(bytes).digest("hex")}  ${name}\n`);
console.log(
  `${out}: ${compiles ? "compiled" : "self-extracting"}, ${target}, ${(bytes.length / 1e6).toFixed(1)} MB`,
);

/** Short commit of the sources, with `-changed` when they differ from it; `unknown` outside a git checkout. */
async function commit(): Promise<string> {
  const head = await run("git", ["rev-parse", "--short=12", "HEAD"]).catch(() => undefined);
  if (head === undefined) return "unknown";
  const changed = await run("git", ["status", "--porcelain", "--untracked-files=no"]);
  return head.trim() + (changed.trim() === "" ? "" : "-changed");
}

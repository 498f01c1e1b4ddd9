/** Writes config/full.yaml from the schema; with --check only says whether it is up to date (exit code 1: stale). */
import { configReference } from "../src/config/reference.ts";

const path = new URL("../config/full.yaml", import.meta.url);
const wanted = configReference();
if (Deno.args.includes("--check")) {
  const present = await Deno.readTextFile(path).catch(() => "");
  if (present !== wanted) {
    console.error("config/full.yaml is stale: run deno run -A scripts/gen_config_docs.ts and commit it");
    Deno.exit(1);
  }
} else {
  await Deno.writeTextFile(path, wanted);
}

/** `quaylet`: everything starts here. An HTTP worker is the same file, run in a thread of its own. */
import { runHttpWorker } from "./src/app.ts";
import { runCli } from "./src/cli/cli.ts";

if ("WorkerGlobalScope" in globalThis) {
  await runHttpWorker();
} else {
  Deno.exit(await runCli(Deno.args));
}

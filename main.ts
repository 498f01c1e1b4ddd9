/** `quaylet`: everything starts here. An HTTP worker is the same file, run in a thread of its own. */
import { composeThread, type ThreadSettings } from "./src/app.ts";
import { runCli } from "./src/cli/cli.ts";
import { answerMainThread } from "./src/http/thread.ts";

if ("WorkerGlobalScope" in globalThis) {
  answerMainThread<ThreadSettings>(globalThis as never, composeThread);
} else {
  Deno.exit(await runCli(Deno.args));
}

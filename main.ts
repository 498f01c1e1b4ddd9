/** `quaylet`: everything starts here. An HTTP worker is the same file, run in a thread of its own. */
import { answerMainThread } from "./src/http/thread.ts";
import type { ThreadSettings } from "./src/http_thread.ts";

// Imported when it is known which of the two this is: neither keeps the other's modules in memory.
if ("WorkerGlobalScope" in globalThis) {
  const service = import("./src/http_thread.ts");
  answerMainThread<ThreadSettings>(
    globalThis as never,
    async (settings, index) => await (await service).composeThread(settings, index),
  );
} else {
  const { runCli } = await import("./src/cli/cli.ts");
  Deno.exit(await runCli(Deno.args));
}

/** Completion as bash itself does it, with the script that the program prints. */
import assert from "node:assert/strict";
import { test } from "../skip.ts";
import { quaylet } from "./quaylet.ts";

/** What bash offers for the last of `words`. */
async function complete(script: string, words: readonly string[]): Promise<string[]> {
  const ask = `COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _quaylet; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { success, stdout, stderr } = await new Deno.Command("bash", {
    args: ["--norc", "-c", `${script}\n${ask}`, "bash", ...words],
  }).output();
  const decoder = new TextDecoder();
  assert.ok(success, decoder.decode(stderr));
  return decoder.decode(stdout).trim().split("\n");
}

test({
  name: "completion bash: commands, subcommands, the flags of each, and the values that a flag takes",
  needs: ["bash"],
  async fn() {
    const { stdout: script } = await quaylet(["completion", "bash"]);
    const place = ["--data", "--config", "--json"];
    const offers: [string[], string[]][] = [
      [["quaylet", "us"], ["user"]],
      [["quaylet", "user", "cr"], ["create"]],
      [["quaylet", "user", "create", "x", "--"], ["--email", "--password-stdin", "--ask", ...place]],
      [["quaylet", "robot", "create", "a+b", "--"], ["--description", ...place]],
      [["quaylet", "org", "show", "a", "--"], place],
      [["quaylet", "repo", "permission", "a/b", "--role", ""], [
        "read",
        "write",
        "admin",
        "none",
        "member",
        "creator",
      ]],
      [["quaylet", "team", "me"], ["members"]],
      [["quaylet", "team", "role", "a", "b", "cr"], ["creator"]],
      [["quaylet", "tag", "expire", "a/b", "v1", "--"], ["--at", "--in", "--never", ...place]],
      [["quaylet", "token", "create", "a", "--scope", "user"], ["user:read", "user:admin"]],
      [["quaylet", "tag", "list", "a/b", "--"], ["--filter", ...place]],
      [["quaylet", "repo", "visibility", "a/b", "p"], ["public", "private"]],
      [["quaylet", "serve", "--log", ""], ["json", "text"]],
      [["quaylet", "serve", "--log-level", "w"], ["warn"]],
      [["quaylet", "serve", "--http", ""], [""]],
    ];
    for (const [words, expected] of offers) {
      assert.deepEqual(await complete(script, words), expected, words.join(" "));
    }
  },
});

import { runCli } from "../../src/cli/cli.ts";
import type { OperatorIo } from "../../src/cli/operator.ts";
import type { Deps } from "../../src/domain/deps.ts";

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/**
 * Runs a command line over the test's database, with `input` as standard input.
 * @param deps `undefined` where nothing may open the database
 * @param line words; text is split at its blanks
 */
export async function runOperator(
  deps: Deps | undefined,
  line: string | readonly string[],
  input = "",
): Promise<CliResult> {
  let [out, err] = ["", ""];
  const io: OperatorIo = {
    stdout: (text) => void (out += text),
    stderr: (text) => void (err += text),
    stdin: () => Promise.resolve(input),
    env: {},
    openDeps: () => {
      if (deps === undefined) throw new Error("the database was opened");
      return Promise.resolve({ deps, close: () => Promise.resolve() });
    },
  };
  const code = await runCli(typeof line === "string" ? line.split(" ") : line, io);
  return { code, out, err };
}

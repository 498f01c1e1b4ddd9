import type { AppError, ErrorCode } from "../lib/errors.ts";
import { EXIT, type Io } from "./io.ts";

/** What a command has to say: `json` for machines with `--json`, else `text` for people. */
export interface Output {
  readonly json: unknown;
  readonly text: string;
  /** What was looked for is not so: exit code 1, with the answer on stdout all the same. */
  readonly failed?: boolean;
}

export function print(io: Pick<Io, "stdout">, output: Output, asJson: boolean): void {
  io.stdout(asJson ? `${JSON.stringify(output.json, null, 2)}\n` : output.text);
}

/** The one list of what the exit codes mean, for every help text. */
export const EXIT_HELP =
  `Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 exists already, 5 not allowed.`;

const EXIT_OF: Partial<Record<ErrorCode, number>> = {
  not_found: EXIT.notFound,
  name_unknown: EXIT.notFound,
  already_exists: EXIT.alreadyExists,
  unauthenticated: EXIT.notAllowed,
  insufficient_scope: EXIT.notAllowed,
  feature_disabled: EXIT.notAllowed,
  registry_readonly: EXIT.notAllowed,
};

/** The exit code that a failure of the domain stands for. */
export function exitCodeOf(error: AppError): number {
  return EXIT_OF[error.code] ?? EXIT.failed;
}

/** Wrong use of the command line: exit code 2 (`cli.ts` takes a RangeError for that). */
export function usageError(message: string): RangeError {
  return new RangeError(message);
}

import type { Notice, Problem } from "../problem.ts";
import type { Config } from "../schema.ts";

/** What rules look at. They see the configuration as a whole, defaults filled in, and read no files. */
export interface RuleInput {
  readonly config: Config;
  /** Whether the operator set the key (in config.yaml or the environment). */
  isSet(key: string): boolean;
  /** Whether the two files are in the config directory. */
  readonly tlsFiles: { readonly cert: boolean; readonly key: boolean };
  readonly report: (problem: Problem) => void;
  readonly advise: (notice: Notice) => void;
}

/** One subject of impossible or unwise combinations. */
export type Rule = (input: RuleInput) => void;

export function isBlank(value: string | null | undefined): boolean {
  return value === null || value === undefined || value.trim() === "";
}

import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import type { Actor } from "../domain/access/access.ts";
import type { Deps } from "../domain/deps.ts";
import { AppError } from "../lib/errors.ts";
import { PLACE_FLAGS, PLACE_HELP } from "../lib/place.ts";
import type { Command } from "./cli.ts";
import { EXIT, type Io } from "./io.ts";
import { EXIT_HELP, exitCodeOf, type Output, print, usageError } from "./output.ts";

/** Whoever has a shell on the machine and may read its data folder. */
export const OPERATOR: Actor = { kind: "operator" };

type OpenDeps = (flags: {
  data?: string | undefined;
  config?: string | undefined;
}) => Promise<{ deps: Deps; close(): Promise<void> }>;

/** Tests bring their own database along. */
export interface OperatorIo extends Io {
  openDeps?: OpenDeps;
}

type Values = Readonly<Record<string, string | boolean | undefined>>;

export interface Request {
  readonly deps: Deps;
  readonly io: Io;
  /** One for each name in {@link Subcommand.operands}, in order. */
  readonly operands: readonly string[];
  /** What the flags were set to. */
  text(flag: string): string | undefined;
  isSet(flag: string): boolean;
}

export interface Subcommand {
  readonly operands: readonly string[];
  readonly flags?: ParseArgsOptionsConfig;
  /** The flags as help shows them. */
  readonly usage?: string;
  readonly summary: string;
  /** Wrong combinations, before the database is opened. @throws {RangeError} */
  check?(request: Omit<Request, "deps">): void;
  run(request: Request): Promise<Output>;
}

/** A command made of subcommands that work on the database directly, whether the appliance runs or not. */
export function operatorCommand(options: {
  name: string;
  summary: string;
  subcommands: Readonly<Record<string, Subcommand>>;
  notes?: string;
}): Command {
  const { name, summary, subcommands } = options;
  return {
    name,
    summary,
    help: helpOf(options),
    async run(args, io: OperatorIo) {
      const [verb = "", ...rest] = args;
      const subcommand = Object.hasOwn(subcommands, verb) ? subcommands[verb] : undefined;
      if (subcommand === undefined) {
        const known = Object.keys(subcommands).join(", ");
        throw usageError(
          verb === "" || verb.startsWith("-")
            ? `say what to do: ${known}`
            : `there is no "${verb}"; there is ${known}`,
        );
      }
      return await runSubcommand(`${name} ${verb}`, subcommand, rest, io);
    },
  };
}

/** A command that is one such subcommand by itself. */
export function operatorAction(options: {
  name: string;
  action: Subcommand;
  notes?: string;
}): Command {
  const { name, action, notes } = options;
  const call = [name, ...action.operands, action.usage].filter(Boolean).join(" ");
  return {
    name,
    summary: action.summary,
    help: `usage: quaylet ${call}\n\n${action.summary}\n\n${notes ? `${notes}\n\n` : ""}${COMMON_HELP}`,
    run: (args, io: OperatorIo) => runSubcommand(name, action, args, io),
  };
}

async function runSubcommand(
  name: string,
  subcommand: Subcommand,
  args: string[],
  io: OperatorIo,
): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { ...PLACE_FLAGS, json: { type: "boolean" }, ...subcommand.flags },
  });
  const flags = values as Values;
  if (positionals.length !== subcommand.operands.length) {
    throw usageError(`usage: quaylet ${name} ${subcommand.operands.join(" ")}`.trimEnd());
  }
  const request = {
    io,
    operands: positionals,
    text: (flag: string) => typeof flags[flag] === "string" ? flags[flag] : undefined,
    isSet: (flag: string) => flags[flag] === true,
  };
  subcommand.check?.(request);
  const openDeps: OpenDeps = io.openDeps ?? (await import("../node.ts")).openDeps;
  const { deps, close } = await openDeps({ data: request.text("data"), config: request.text("config") });
  try {
    const output = await subcommand.run({ ...request, deps });
    print(io, output, request.isSet("json"));
    return output.failed ? EXIT.failed : EXIT.ok;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    io.stderr(`quaylet ${name}: ${error.publicMessage}\n`);
    return exitCodeOf(error);
  } finally {
    await close();
  }
}

function helpOf(options: {
  name: string;
  summary: string;
  subcommands: Readonly<Record<string, Subcommand>>;
  notes?: string;
}): string {
  const lines = Object.entries(options.subcommands).map(([verb, { operands, usage, summary }]) => {
    const call = [options.name, verb, ...operands, usage].filter(Boolean).join(" ");
    return `  quaylet ${call}\n      ${summary}`;
  });
  return `${options.summary}\n\n${lines.join("\n")}\n\n${options.notes ? `${options.notes}\n\n` : ""}` +
    COMMON_HELP;
}

const COMMON_HELP =
  `Works on the database itself, also while no listener runs. With every form:\n${PLACE_HELP}\n` +
  `  --json         one JSON value on stdout\n\n${EXIT_HELP}`;

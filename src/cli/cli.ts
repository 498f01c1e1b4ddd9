import { EXIT, type Io, terminal } from "./io.ts";

/** One file a command. `run` gets what follows the command's name and returns the exit code. */
export interface Command {
  readonly name: string;
  /** One line for `quaylet help`. */
  readonly summary: string;
  /** Everything for `quaylet help <name>`: usage, flags, exit codes. */
  readonly help: string;
  run(args: string[], io: Io): Promise<number>;
}

/** Loaded only when asked for: `quaylet version` need not read the whole appliance. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import("./serve.ts")).serveCommand,
  repomirror: async () => (await import("./repomirror.ts")).repomirrorCommand,
  init: async () => (await import("./init.ts")).initCommand,
  check: async () => (await import("./check.ts")).checkCommand,
  user: async () => (await import("./user.ts")).userCommand,
  org: async () => (await import("./org.ts")).orgCommand,
  mirror: async () => (await import("./mirror.ts")).mirrorCommand,
  "org-mirror": async () => (await import("./org_mirror.ts")).orgMirrorCommand,
  team: async () => (await import("./team.ts")).teamCommand,
  robot: async () => (await import("./robot.ts")).robotCommand,
  repo: async () => (await import("./repo.ts")).repoCommand,
  tag: async () => (await import("./tag.ts")).tagCommand,
  token: async () => (await import("./token.ts")).tokenCommand,
  logs: async () => (await import("./logs.ts")).logsCommand,
  scrub: async () => (await import("./scrub.ts")).scrubCommand,
  storage: async () => (await import("./storage.ts")).storageCommand,
  "backfill-replication": async () => (await import("./backfill_replication.ts")).backfillReplicationCommand,
  "remove-location": async () => (await import("./remove_location.ts")).removeLocationCommand,
  version: async () => (await import("./version.ts")).versionCommand,
  completion: async () => (await import("./completion.ts")).completionCommand,
};

/** Runs one command line. Never throws: what goes wrong is told on stderr, in words, with an exit code. */
export async function runCli(argv: readonly string[], io: Io = terminal): Promise<number> {
  const [first = "help", ...rest] = argv;
  if (first === "--version" || first === "-V") return await runCli(["version", ...rest], io);
  if (first === "help" || first === "--help" || first === "-h") return await help(rest[0], io);
  const load = COMMANDS[first];
  if (load === undefined) {
    io.stderr(`quaylet: there is no command "${first}"; see quaylet help\n`);
    return EXIT.usage;
  }
  const command = await load();
  if (rest.includes("--help") || rest.includes("-h")) {
    io.stdout(`${command.help.trim()}\n`);
    return EXIT.ok;
  }
  try {
    return await command.run(rest, io);
  } catch (error) {
    io.stderr(`quaylet ${first}: ${error instanceof Error ? error.message : error}\n`);
    return isUsageError(error) ? EXIT.usage : EXIT.failed;
  }
}

/** `node:util` parseArgs marks a wrong flag by its code. */
function isUsageError(error: unknown): boolean {
  const code = (error as { code?: unknown })?.code;
  return error instanceof RangeError || (typeof code === "string" && code.startsWith("ERR_PARSE_ARGS"));
}

async function help(name: string | undefined, io: Io): Promise<number> {
  if (name !== undefined) {
    const load = COMMANDS[name];
    if (load === undefined) {
      io.stderr(`quaylet help: there is no command "${name}"\n`);
      return EXIT.usage;
    }
    io.stdout(`${(await load()).help.trim()}\n`);
    return EXIT.ok;
  }
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  const width = Math.max(...commands.map((command) => command.name.length));
  const lines = commands.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`);
  io.stdout(
    `quaylet: a container registry appliance\n\nusage: quaylet COMMAND [flags]\n\n${lines.join("\n")}\n\n` +
      `quaylet help COMMAND tells the rest.\n`,
  );
  return EXIT.ok;
}

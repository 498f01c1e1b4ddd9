import { applianceCommand } from "../appliance.ts";

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  /** Instead of {@link applianceCommand}'s. */
  readonly program?: string;
}

/** Runs one command line of Quaylet to its end: the built binary when `QUAYLET_BIN` names one, else the sources. */
export async function quaylet(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const command = options.program === undefined ? applianceCommand() : [options.program];
  const [program, ...first] = command as [string, ...string[]];
  const { stdin, program: _, ...rest } = options;
  const child = new Deno.Command(program, {
    args: [...first, ...args],
    ...rest,
    env: { ...options.env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  // A command that reads nothing may be gone before this is written.
  await writer.write(new TextEncoder().encode(stdin ?? "")).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** A folder of its own that is gone afterwards. */
export async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "quaylet-cli-" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

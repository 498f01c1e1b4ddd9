/** What a command may touch of the terminal, so that tests can stand in for it. */
export interface Io {
  stdout(text: string): void;
  stderr(text: string): void;
  /** All of standard input. */
  stdin(): Promise<string>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Exit codes that scripts can rely on. */
export const EXIT = { ok: 0, failed: 1, usage: 2, notFound: 3, alreadyExists: 4, notAllowed: 5 } as const;

const encoder = new TextEncoder();

export const terminal: Io = {
  stdout: (text) => writeAll(Deno.stdout, text),
  stderr: (text) => writeAll(Deno.stderr, text),
  stdin: () => new Response(Deno.stdin.readable).text(),
  env: Deno.env.toObject(),
};

function writeAll(target: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(target.writeSync(bytes));
}

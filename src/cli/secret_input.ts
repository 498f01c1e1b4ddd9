import { randomInt } from "node:crypto";
import { AppError } from "../lib/errors.ts";
import type { Request } from "./operator.ts";
import { usageError } from "./output.ts";

/** Flags of commands that set a password. */
export const PASSWORD_FLAGS = {
  "password-stdin": { type: "boolean" },
  ask: { type: "boolean" },
} as const;

export const PASSWORD_USAGE = "[--password-stdin | --ask]";

export const PASSWORD_NOTES = `  --password-stdin  the password is the first line of standard input
  --ask             ask for it on the terminal
Without either a password is made up and printed once. None is ever taken from the command line, where others could read it.`;

/** @throws {RangeError} when both ways are wanted */
export function checkPasswordFlags(request: Pick<Request, "isSet">): void {
  if (request.isSet("password-stdin") && request.isSet("ask")) {
    throw usageError("--password-stdin and --ask exclude each other");
  }
}

/** The password that the operator wants, or one made up, which has to be shown. */
export async function readPassword(request: Request): Promise<{ password: string; generated: boolean }> {
  if (request.isSet("password-stdin")) {
    return { password: await firstLine(request.io), generated: false };
  }
  if (request.isSet("ask")) return { password: await askTwice(request.io), generated: false };
  return { password: randomPassword(), generated: true };
}

/** What `--password-stdin` stands for. */
export async function firstLine(io: Pick<Request["io"], "stdin">): Promise<string> {
  const [line = ""] = (await io.stdin()).split(/\r?\n/, 1);
  return line;
}

async function askTwice(io: Request["io"]): Promise<string> {
  const first = await askHidden(io, "Password: ");
  if (await askHidden(io, "Again: ") !== first) throw new AppError("invalid_request", "The passwords differ");
  return first;
}

/** One line from the terminal, unseen. */
async function askHidden(io: Request["io"], label: string): Promise<string> {
  if (!Deno.stdin.isTerminal()) throw usageError("--ask needs a terminal; use --password-stdin");
  io.stderr(label);
  Deno.stdin.setRaw(true);
  try {
    const typed: number[] = [];
    const byte = new Uint8Array(1);
    while (await Deno.stdin.read(byte) === 1) {
      const [code = 0] = byte;
      if (code === 0x0d || code === 0x0a || code === 0x04) break;
      if (code === 0x03) throw new AppError("invalid_request", "Interrupted");
      if (code === 0x7f || code === 0x08) {
        // A character of UTF-8 is its lead byte and what follows it.
        while (typed.length > 0 && ((typed.pop() ?? 0) & 0xc0) === 0x80);
      } else typed.push(code);
    }
    return new TextDecoder().decode(new Uint8Array(typed));
  } finally {
    Deno.stdin.setRaw(false);
    io.stderr("\n");
  }
}

/** Letters and digits that are not taken for each other when read aloud: 24 of 32 are 120 bits. */
const LETTERS = "abcdefghijkmnpqrstuvwxyz23456789";

function randomPassword(): string {
  return Array.from({ length: 24 }, () => LETTERS[randomInt(LETTERS.length)]).join("");
}

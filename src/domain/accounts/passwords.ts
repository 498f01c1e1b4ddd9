import { createHash, createHmac, randomBytes } from "node:crypto";
import { bcryptInWorker } from "./password_worker.ts";

/** Quay's cost: some 270 ms of one core. */
const COST = 12;
/** bcrypt reads no further. */
const BCRYPT_MAX_BYTES = 72;
/** Nobody types more; a longer text is wrong, at the usual price. */
const PASSWORD_MAX_CHARS = 4096;
/** A success spares the next checks of the same password this long. */
const REMEMBER_MS = 5 * 60_000;
const REMEMBER_MAX = 10_000;
/** A hash of a random password that nobody knows: what a check against no account costs the same with. */
const NOBODYS_HASH = "$2b$12$MSUd4dMSGlh4uJi0wUJluOCVJOYIdZk0XL0x8ycTCYx3/GrZXh6Q.";

/** Dies with the process, so that what is remembered is of no use to anybody else. */
const memoryKey = randomBytes(32);
const successes = new Map<string, number>();
const running = new Map<string, Promise<boolean>>();

/**
 * The bcrypt hash to store (`$2b$12$…`, as Quay's).
 * @param cost of tests
 * @throws {AppError} `too_many_attempts` while too many checks are waiting
 */
export function hashPassword(password: string, cost: number = COST): Promise<string> {
  return bcryptInWorker({ kind: "hash", password: readable(password), cost });
}

/**
 * Whether `password` is the one that `hash` was made of. Works off the event loop; a success is remembered for five
 * minutes as an HMAC, a failure is always paid in full. Without a hash (an unknown account) it takes as long and fails.
 * @throws {AppError} `too_many_attempts` while too many checks are waiting
 */
export async function verifyPassword(password: string, hash: string | null | undefined): Promise<boolean> {
  const known = typeof hash === "string" && /^\$2[aby]\$\d\d\$/.test(hash);
  if (!known || password.length > PASSWORD_MAX_CHARS) {
    await check(password.slice(0, PASSWORD_MAX_CHARS), NOBODYS_HASH);
    return false;
  }
  const key = createHmac("sha256", memoryKey).update(hash).update("\0").update(password).digest("base64");
  const rememberedUntil = successes.get(key);
  if (rememberedUntil !== undefined && rememberedUntil > performance.now()) return true;
  // A client that opens many connections at once sends the same password on each.
  let checking = running.get(key);
  if (checking === undefined) {
    checking = check(password, hash).finally(() => running.delete(key));
    running.set(key, checking);
  }
  const matches = await checking;
  if (matches) remember(key);
  return matches;
}

async function check(password: string, hash: string): Promise<boolean> {
  const text = readable(password);
  if (await bcryptInWorker({ kind: "compare", password: text, hash })) return true;
  // Quay cut long passwords off; a hash of its making may still be in the table.
  return text !== password && await bcryptInWorker({ kind: "compare", password, hash });
}

/** The password, or a digest of one that is longer than what bcrypt reads. */
function readable(password: string): string {
  if (new TextEncoder().encode(password).length <= BCRYPT_MAX_BYTES) return password;
  return createHash("sha384").update(password).digest("base64");
}

function remember(key: string): void {
  successes.delete(key);
  successes.set(key, performance.now() + REMEMBER_MS);
  if (successes.size <= REMEMBER_MAX) return;
  for (const oldest of successes.keys()) {
    successes.delete(oldest);
    break;
  }
}

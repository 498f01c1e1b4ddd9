import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import { durationMs } from "../../config/duration.ts";
import type { Config } from "../../config/schema.ts";
import { rotateUserUuid, selectUserByUuid } from "../../drivers/database/queries/user.ts";
import type { Actor } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { type Person, requirePerson } from "../access/rights.ts";

/**
 * Browser sessions without a table: all of a session is in its cookie, sealed with AES-256-GCM under a key made of
 * `SECRET_KEY`, so that any thread of any node can read it. It names the user's uuid; signing out and a new password
 * give the user another uuid, and with it every session of the old one is over. Quay: auth.md §2.
 */
export interface Session {
  /** Undefined before signing in. */
  readonly userUuid: string | undefined;
  /** When the password was last typed, epoch milliseconds; 0 before signing in. */
  readonly loginMs: number;
  /** When the cookie was made, epoch milliseconds. */
  readonly issuedMs: number;
  /** What a page must send back with everything that changes something. */
  readonly csrfToken: string;
}

type SessionConfig = Pick<Config, "SECRET_KEY" | "SESSION_TIMEOUT" | "FRESH_LOGIN_TIMEOUT">;

const VERSION = "s1.";
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** A cookie of ours is some 300 characters; longer ones are not worth decoding. */
const MAX_SEALED_CHARS = 1024;

/** A session of nobody, with a fresh CSRF token. */
export function startSession(nowMs: number): Session {
  return { userUuid: undefined, loginMs: 0, issuedMs: nowMs, csrfToken: newCsrfToken() };
}

/** The session of who has just proved to be that user. Its CSRF token is new: one known before signing in is void. */
export function startUserSession(userUuid: string, nowMs: number): Session {
  return { userUuid, loginMs: nowMs, issuedMs: nowMs, csrfToken: newCsrfToken() };
}

/** The cookie's value for `session`. */
export function sealSession(config: SessionConfig, session: Session): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", sessionKey(config), iv);
  cipher.setAAD(Buffer.from(VERSION));
  const { userUuid, loginMs, issuedMs, csrfToken } = session;
  const text = JSON.stringify([userUuid ?? null, loginMs, issuedMs, csrfToken]);
  const sealed = Buffer.concat([iv, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return VERSION + sealed.toString("base64url");
}

/** The session in a cookie's value; undefined when it is not ours, was changed, or is older than `SESSION_TIMEOUT`. */
export function openSession(config: SessionConfig, cookie: string, nowMs: number): Session | undefined {
  if (!cookie.startsWith(VERSION) || cookie.length > MAX_SEALED_CHARS) return undefined;
  const text = cookie.slice(VERSION.length);
  const sealed = Buffer.from(text, "base64url");
  // The decoder overlooks what is no base64url; a cookie has one spelling.
  if (sealed.toString("base64url") !== text) return undefined;
  if (sealed.length <= IV_BYTES + TAG_BYTES) return undefined;
  try {
    const decipher = createDecipheriv("aes-256-gcm", sessionKey(config), sealed.subarray(0, IV_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(VERSION));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const bytes = Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
    const [userUuid, loginMs, issuedMs, csrfToken] = JSON.parse(bytes.toString("utf8"));
    if (nowMs >= issuedMs + durationMs(config.SESSION_TIMEOUT)) return undefined;
    return { userUuid: userUuid ?? undefined, loginMs, issuedMs, csrfToken };
  } catch {
    // Tampered with, or sealed under another SECRET_KEY: the same as no cookie.
    return undefined;
  }
}

/** Whether the cookie should be made anew, so that a session in use does not run out. */
export function isSessionDue(config: SessionConfig, session: Session, nowMs: number): boolean {
  return nowMs - session.issuedMs > durationMs(config.SESSION_TIMEOUT) / 10;
}

/** Whether the password was typed recently enough (`FRESH_LOGIN_TIMEOUT`) for what needs that. */
export function isFreshLogin(config: SessionConfig, session: Session, nowMs: number): boolean {
  return nowMs - session.loginMs < durationMs(config.FRESH_LOGIN_TIMEOUT);
}

/** Compares in constant time. */
export function isCsrfToken(session: Session, given: string): boolean {
  const expected = Buffer.from(session.csrfToken);
  const actual = Buffer.from(given);
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

/** Who the session belongs to; anonymous when the user signed out, changed the password, was disabled or deleted. */
export async function actorOfSession(deps: Pick<Deps, "sql">, session: Session): Promise<Actor> {
  if (session.userUuid === undefined) return { kind: "anonymous" };
  const user = await selectUserByUuid(deps.sql, session.userUuid);
  if (user === undefined || !user.enabled) return { kind: "anonymous" };
  return {
    kind: "user",
    id: user.id,
    uuid: user.uuid,
    username: user.username,
    scopes: "all",
    via: "session",
    freshLoginMs: session.loginMs,
  };
}

/** Ends every session of the person, on every device. */
export async function signOut(deps: Pick<Deps, "sql">, actor: Actor): Promise<Person> {
  const person = requirePerson(actor, "user:admin");
  await rotateUserUuid(deps.sql, person.id);
  return person;
}

function newCsrfToken(): string {
  return randomBytes(36).toString("base64url");
}

function sessionKey({ SECRET_KEY }: SessionConfig): Uint8Array {
  if (!SECRET_KEY) throw new Error("SECRET_KEY is not set");
  return new Uint8Array(hkdfSync("sha256", SECRET_KEY, "", "quaylet session cookie v1", 32));
}

import type { Context } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { durationMs } from "../../config/duration.ts";
import type { Config } from "../../config/schema.ts";
import type { Actor, Origin } from "../../domain/access/access.ts";
import { authenticateBasic } from "../../domain/accounts/credentials.ts";
import type { Deps } from "../../domain/deps.ts";
import { authenticateOauthToken } from "../../domain/oauth/tokens.ts";
import {
  actorOfSession,
  isCsrfToken,
  isSessionDue,
  openSession,
  sealSession,
  type Session,
} from "../../domain/accounts/sessions.ts";
import { AppError } from "../../lib/errors.ts";
import { parseBasic } from "../basic_credentials.ts";

/** Quay's name for its session cookie: it is not the CSRF token, which is inside. */
export const SESSION_COOKIE = "_csrf_token";
/** Browsers keep no cookie longer. */
const LONGEST_COOKIE_S = 400 * 86_400;

/** Who asks, and by what. */
export interface Client {
  readonly actor: Actor;
  /** The browser's session, if it sent one that is ours; not looked at when a token was sent. */
  readonly session: Session | undefined;
  readonly byToken: boolean;
}

/** @throws {AppError} `invalid_token` for a Bearer token that is no good: falling back to the cookie would hide it */
export async function identifyClient(deps: Deps, c: Context): Promise<Client> {
  const client = await identify(deps, c);
  return { ...client, actor: { ...client.actor, ...originOf(c) } };
}

async function identify(deps: Deps, c: Context): Promise<Client> {
  const bearer = /^bearer +(\S+) *$/i.exec(c.req.header("Authorization") ?? "");
  if (bearer !== null) {
    return { actor: await authenticateOauthToken(deps, bearer[1] ?? ""), session: undefined, byToken: true };
  }
  const session = readSession(deps, c);
  if (session === undefined) return { actor: { kind: "anonymous" }, session, byToken: false };
  return { actor: await actorOfSession(deps, session), session, byToken: false };
}

/** Who sits at a browser, or signs in with every request. */
export interface BrowserClient {
  readonly actor: Actor;
  /** The browser's session, if it sent one that is ours. */
  readonly session: Session | undefined;
  /** By Basic credentials, not by the session. */
  readonly byBasic: boolean;
}

/**
 * For pages, which know sessions and Basic credentials, and no tokens.
 * @throws {AppError} `invalid_credentials`, `too_many_attempts` for Basic credentials that are no good
 */
export async function identifyBrowser(deps: Deps, c: Context): Promise<BrowserClient> {
  const session = readSession(deps, c);
  const header = c.req.header("Authorization") ?? "";
  const byBasic = /^basic /i.test(header);
  const actor = byBasic
    ? await byBasicHeader(deps, header)
    : session === undefined
    ? { kind: "anonymous" as const }
    : await actorOfSession(deps, session);
  return { actor: { ...actor, ...originOf(c) }, session, byBasic };
}

async function byBasicHeader(deps: Deps, header: string): Promise<Actor> {
  const credentials = parseBasic(header);
  if (credentials === undefined) {
    throw new AppError("invalid_credentials", "The Authorization header holds no readable Basic credentials");
  }
  return await authenticateBasic(deps, credentials.username, credentials.password);
}

/** What the mounting server knows of the peer; nothing when there is none. */
export function originOf(c: Context): { origin?: Origin } {
  const { clientAddress } = (c.env ?? {}) as { clientAddress?: string };
  if (clientAddress === undefined) return {};
  const userAgent = c.req.header("User-Agent")?.slice(0, 512);
  return { origin: { ip: clientAddress, ...(userAgent === undefined ? {} : { userAgent }) } };
}

/** The browser's session, if it sent one that is ours. */
export function readSession(deps: Pick<Deps, "config" | "now">, c: Context): Session | undefined {
  const cookie = getCookie(c, SESSION_COOKIE);
  return cookie === undefined ? undefined : openSession(deps.config, cookie, deps.now());
}

/** Sends the session to the browser; with `FEATURE_PERMANENT_SESSIONS` it outlives the browser's window. */
export function writeSession(deps: Pick<Deps, "config">, c: Context, session: Session): void {
  const { config } = deps;
  const lifetimeS = Math.floor(durationMs(config.SESSION_TIMEOUT) / 1000);
  setCookie(c, SESSION_COOKIE, sealSession(config, session), {
    path: "/",
    httpOnly: true,
    sameSite: "Lax",
    secure: isSecure(config, c),
    ...(config.FEATURE_PERMANENT_SESSIONS ? { maxAge: Math.min(lifetimeS, LONGEST_COOKIE_S) } : {}),
  });
}

/** Keeps a session in use from running out. */
export function renewSession(deps: Pick<Deps, "config" | "now">, c: Context, session: Session): void {
  const nowMs = deps.now();
  if (isSessionDue(deps.config, session, nowMs)) writeSession(deps, c, { ...session, issuedMs: nowMs });
}

/**
 * @param form value of the parameter `_csrf_token`, where the surface has one
 * @throws {AppError} `csrf_failed`
 */
export function checkCsrf(session: Session | undefined, c: Context, form?: string): void {
  const given = c.req.header("X-CSRF-Token") ?? form ?? c.req.query("_csrf_token");
  if (session === undefined || given === undefined || !isCsrfToken(session, given)) {
    throw new AppError("csrf_failed", "The CSRF token is missing or not this session's.");
  }
}

function isSecure(config: Config, c: Context): boolean {
  if (config.FORCE_NONSECURE_SESSION_COOKIE) return false;
  return config.SESSION_COOKIE_SECURE || config.PREFERRED_URL_SCHEME === "https" ||
    c.req.url.startsWith("https:");
}

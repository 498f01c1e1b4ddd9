import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { Buffer } from "node:buffer";
import type { Config } from "../config/schema.ts";
import { AppError } from "../lib/errors.ts";

/**
 * Secrets at rest and in clients' hands. One form for all of them:
 *
 *     v1$$<base64url( nonce 12 | ciphertext | tag 16 )>      AES-256-GCM, key = HKDF-SHA256(operator's key, purpose)
 *
 * Each purpose has a key of its own, so that what was sealed for one is noise to the others.
 */
const VERSION = "v1$$";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Seals what the database keeps (columns that Quay marks as encrypted), under `DATABASE_SECRET_KEY`. */
export interface SecretBox {
  encrypt(text: string): string;
  /** @throws {Error} when it was sealed with another key, or altered */
  decrypt(stored: string): string;
}

type Purpose = "database" | "password" | "page token";

/** @throws {Error} without a key: the configuration loader always fills one in */
export function createSecretBox(config: Pick<Config, "DATABASE_SECRET_KEY">): SecretBox {
  const key = deriveKey(required(config.DATABASE_SECRET_KEY, "DATABASE_SECRET_KEY"), "database");
  return {
    encrypt: (text) => seal(key, text),
    decrypt(stored) {
      const text = open(key, stored);
      if (text === undefined) throw new Error("a stored secret does not open with DATABASE_SECRET_KEY");
      return text;
    },
  };
}

/** The form of `password` that the UI shows for use in clients; it stops working when `SECRET_KEY` changes. */
export function encryptPassword(config: Pick<Config, "SECRET_KEY">, password: string): string {
  return seal(
    deriveKey(required(config.SECRET_KEY, "SECRET_KEY"), "password"),
    JSON.stringify({ password }),
  );
}

/** The password inside, or undefined when `text` is not an encrypted password of this registry. */
export function decryptPassword(config: Pick<Config, "SECRET_KEY">, text: string): string | undefined {
  if (!text.startsWith(VERSION)) return undefined;
  const opened = open(deriveKey(required(config.SECRET_KEY, "SECRET_KEY"), "password"), text);
  if (opened === undefined) return undefined;
  const { password } = JSON.parse(opened) as { password?: unknown };
  return typeof password === "string" ? password : undefined;
}

/** How long the `next_page` of a listing can be followed. */
export const PAGE_TOKEN_LIFETIME_MS = 2 * 24 * 3_600_000;

type PageTokenDeps = { readonly config: Pick<Config, "SECRET_KEY" | "PAGE_TOKEN_KEY">; now(): number };

/** Where a listing goes on, opaque to the client and safe in a query string. `position` is JSON. */
export function sealPageToken({ config, now }: PageTokenDeps, position: unknown): string {
  const text = JSON.stringify({ p: position, e: now() + PAGE_TOKEN_LIFETIME_MS });
  return seal(pageTokenKey(config), text).slice(VERSION.length);
}

/** @throws {AppError} `invalid_request` for a token that this registry did not make, or long ago */
export function openPageToken({ config, now }: PageTokenDeps, token: string): unknown {
  const text = open(pageTokenKey(config), VERSION + token);
  const { p, e } = text === undefined
    ? { p: undefined, e: 0 }
    : JSON.parse(text) as { p: unknown; e: number };
  if (e <= now()) throw new AppError("invalid_request", "the page token is not valid, or no longer");
  return p;
}

function pageTokenKey(config: Pick<Config, "SECRET_KEY" | "PAGE_TOKEN_KEY">): Uint8Array {
  return deriveKey(required(config.PAGE_TOKEN_KEY || config.SECRET_KEY, "SECRET_KEY"), "page token");
}

function required(key: string | null, name: string): string {
  if (key === null || key === "") throw new Error(`${name} is not set`);
  return key;
}

function deriveKey(secret: string, purpose: Purpose): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, "quaylet", purpose, 32));
}

function seal(key: Uint8Array, text: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  const body = Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return VERSION + body.toString("base64url");
}

function open(key: Uint8Array, sealed: string): string | undefined {
  if (!sealed.startsWith(VERSION)) return undefined;
  const body = Buffer.from(sealed.slice(VERSION.length), "base64url");
  if (body.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", key, body.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(body.subarray(body.length - TAG_BYTES));
  try {
    const text = decipher.update(body.subarray(NONCE_BYTES, body.length - TAG_BYTES));
    return Buffer.concat([text, decipher.final()]).toString("utf8");
  } catch {
    return undefined;
  }
}

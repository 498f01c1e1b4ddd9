import { Buffer } from "node:buffer";
import { UpstreamError, type UpstreamOptions } from "./driver.ts";

/** One `WWW-Authenticate` challenge. RFC 9110 §11.6.1; the distribution project's token specification. */
export interface Challenge {
  readonly scheme: "basic" | "bearer";
  readonly parameters: Readonly<Record<string, string>>;
}

/** The strongest challenge that we can answer: a token service before a password. */
export function readChallenge(header: string | undefined): Challenge | undefined {
  if (header === undefined || header.length > 8192) return undefined;
  const bearer = /(?:^|,\s*)bearer\s+(.*)$/i.exec(header);
  if (bearer !== null) {
    const parameters: Record<string, string> = Object.create(null);
    for (const [, name, quoted, plain] of bearer[1]!.matchAll(/([a-z_]+)=(?:"([^"]*)"|([^\s,"]+))/gi)) {
      parameters[name!.toLowerCase()] ??= quoted ?? plain ?? "";
    }
    return { scheme: "bearer", parameters };
  }
  return /(?:^|,\s*)basic(?:\s|$)/i.test(header) ? { scheme: "basic", parameters: {} } : undefined;
}

/** Where to ask for a token. @throws {UpstreamError} */
export function tokenUrl(challenge: Challenge, registry: URL, scope: string, verifyTls: boolean): URL {
  const realm = URL.parse(challenge.parameters.realm ?? "", registry);
  if (realm === null || realm.protocol !== "https:" && realm.protocol !== "http:") {
    throw new UpstreamError("lied", `${registry.host} names no usable token service`);
  }
  // The password would travel in the clear.
  if (realm.protocol === "http:" && registry.protocol === "https:" && verifyTls) {
    throw new UpstreamError("tls", `${registry.host} names a token service without TLS`);
  }
  realm.username = realm.password = "";
  if (challenge.parameters.service) realm.searchParams.set("service", challenge.parameters.service);
  realm.searchParams.set("scope", scope);
  return realm;
}

export interface Token {
  readonly token: string;
  /** Epoch milliseconds. */
  readonly expiresMs: number;
}

/** Least life of a token without a word about it (the specification's number). */
const DEFAULT_LIFE_S = 60;

/** @throws {UpstreamError} `lied` for an answer without a token that can be sent */
export function readToken(text: string, host: string, nowMs: number): Token {
  let answer: { token?: unknown; access_token?: unknown; expires_in?: unknown } | null;
  try {
    answer = JSON.parse(text);
  } catch {
    answer = null;
  }
  const token = answer?.token || answer?.access_token;
  if (typeof token !== "string" || !/^[\x21-\x7e]{1,65536}$/.test(token)) {
    throw new UpstreamError("lied", `the token service ${host} sends no token`);
  }
  const lifeS = typeof answer?.expires_in === "number" ? answer.expires_in : DEFAULT_LIFE_S;
  // A little early, for the clock and for the way.
  return { token, expiresMs: nowMs + Math.max(1, lifeS * 0.9) * 1000 };
}

export function basicHeader({ username, password }: NonNullable<UpstreamOptions["credentials"]>): string {
  return `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
}

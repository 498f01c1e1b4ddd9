/** Where a browser may be sent with a token or a code: to whom it was meant for, and nowhere else. */
import type { Config } from "../../config/schema.ts";

type RedirectConfig = Pick<Config, "LOCAL_OAUTH_HANDLER" | "PREFERRED_URL_SCHEME" | "SERVER_HOSTNAME">;

/** Schemes in which an address is not a place but something to run or read. */
const NO_PLACES = new Set(["javascript:", "data:", "vbscript:", "file:", "blob:", "about:", "view-source:"]);

/** The address of the registry's own page that shows a token. */
export function localHandler(config: RedirectConfig): string {
  return `${config.PREFERRED_URL_SCHEME}://${config.SERVER_HOSTNAME}${config.LOCAL_OAUTH_HANDLER}`;
}

/**
 * Whether `redirectUri` is the registry's own page, or begins with the application's address and is at the same host:
 * `https://app.example.evil.org` begins with `https://app.example` too, and Quay would send it the token.
 */
export function isRedirectAllowed(
  config: RedirectConfig,
  application: { readonly redirectUri: string },
  redirectUri: string,
): boolean {
  if (redirectUri === localHandler(config)) return true;
  const registered = parsePlace(application.redirectUri);
  const wanted = parsePlace(redirectUri);
  if (registered === undefined || wanted === undefined) return false;
  return redirectUri.startsWith(application.redirectUri) && hostOf(registered) === hostOf(wanted);
}

/** Whether a browser may be sent to that address at all. */
export function isPlace(uri: string): boolean {
  return parsePlace(uri) !== undefined;
}

/** Puts parameters behind the address; those that are undefined are left out. */
export function withQuery(uri: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const text = encode(parameters);
  if (text === "") return uri;
  return `${uri}${uri.includes("?") ? /[?&]$/.test(uri) ? "" : "&" : "?"}${text}`;
}

/** Puts parameters where only the browser sees them. */
export function withFragment(uri: string, parameters: Readonly<Record<string, string | undefined>>): string {
  return `${uri}#${encode(parameters)}`;
}

function encode(parameters: Readonly<Record<string, string | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) search.set(name, value);
  }
  return search.toString();
}

/** An absolute address without fragment and password; browsers skip blanks and control characters that we would not. */
function parsePlace(uri: string): URL | undefined {
  if (!/^[\x21-\x7e]+$/.test(uri) || uri.includes("#") || uri.includes("\\") || !URL.canParse(uri)) {
    return undefined;
  }
  const url = new URL(uri);
  if (NO_PLACES.has(url.protocol) || url.username !== "" || url.password !== "") return undefined;
  return url;
}

function hostOf({ protocol, host }: URL): string {
  return `${protocol}//${host}`;
}

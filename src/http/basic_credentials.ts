/** What an `Authorization: Basic` header carries (RFC 7617, UTF-8). */
export interface BasicCredentials {
  readonly username: string;
  readonly password: string;
}

const HEADER_MAX = 8192;

/** @returns undefined when `header` is not a readable Basic header */
export function parseBasic(header: string): BasicCredentials | undefined {
  const match = /^basic +([A-Za-z0-9+/_-]+={0,2}) *$/i.exec(header);
  if (match === null || header.length > HEADER_MAX) return undefined;
  let text: string;
  try {
    const encoded = match[1]!.replaceAll("-", "+").replaceAll("_", "/");
    text = new TextDecoder("utf-8", { fatal: true }).decode(
      Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0)),
    );
  } catch {
    return undefined;
  }
  const colon = text.indexOf(":");
  if (colon < 0 || text.includes("\0")) return undefined;
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

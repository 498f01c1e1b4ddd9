/** What a path below `/v2` names. Names and references are decoded but not validated yet. */
export type RegistryRoute =
  | { kind: "base" }
  | { kind: "token" }
  | { kind: "catalog" }
  | { kind: "tags"; name: string }
  | { kind: "manifest"; name: string; reference: string }
  | { kind: "referrers"; name: string; digest: string }
  | { kind: "uploads"; name: string }
  | { kind: "upload"; name: string; uuid: string }
  | { kind: "blob"; name: string; digest: string };

export type RouteOf<Kind extends RegistryRoute["kind"]> = Extract<RegistryRoute, { kind: Kind }>;

const PREFIX = "/v2/";
/** 255 characters of name, a 128-digit digest and the words between, with room for percent-encoding. */
const PATH_MAX = 2048;

/**
 * Reads a path from its end, so that a repository may be called `a/manifests` or `b/tags`. One pass, no regular
 * expression over the whole.
 * @param rawPath as it stands in the request line: dot segments not resolved, percent-encoding untouched
 * @returns `undefined` for a path that names nothing here, and for encodings that could change its shape
 */
export function parseRegistryPath(rawPath: string): RegistryRoute | undefined {
  if (rawPath === PREFIX || rawPath === "/v2") return { kind: "base" };
  if (!rawPath.startsWith(PREFIX) || rawPath.length > PATH_MAX) return undefined;
  const path = decodePath(rawPath.slice(PREFIX.length));
  if (path === undefined) return undefined;
  if (path === "auth") return { kind: "token" };
  if (path === "_catalog") return { kind: "catalog" };

  const slash = path.lastIndexOf("/");
  if (slash < 1) return undefined;
  const last = path.slice(slash + 1);
  const before = path.lastIndexOf("/", slash - 1);
  // Nothing of ours has fewer than a name, a word and what follows it.
  if (before < 1) return undefined;
  const word = path.slice(before + 1, slash);
  const name = path.slice(0, before);

  switch (word) {
    case "tags":
      return last === "list" ? { kind: "tags", name } : undefined;
    case "manifests":
      return last === "" ? undefined : { kind: "manifest", name, reference: last };
    case "referrers":
      return last === "" ? undefined : { kind: "referrers", name, digest: last };
    case "blobs":
      if (last === "") return undefined;
      return last === "uploads" ? { kind: "uploads", name } : { kind: "blob", name, digest: last };
    case "uploads": {
      if (!name.endsWith("/blobs")) return undefined;
      const repository = name.slice(0, -"/blobs".length);
      if (repository === "") return undefined;
      return last === ""
        ? { kind: "uploads", name: repository }
        : { kind: "upload", name: repository, uuid: last };
    }
    default:
      return undefined;
  }
}

/**
 * Decodes once. Encoded slashes, backslashes, percent signs, controls and dots are refused: they mean something else
 * to a proxy in front than to us.
 */
function decodePath(raw: string): string | undefined {
  let text = raw;
  if (raw.includes("%")) {
    if (/%(?:2f|5c|25|2e|[01][0-9a-f]|7f)/i.test(raw)) return undefined;
    try {
      text = decodeURIComponent(raw);
    } catch {
      return undefined;
    }
  }
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code <= 0x20 || code >= 0x7f || code === 0x5c) return undefined;
  }
  return text;
}

/** Path and query of an absolute URL without resolving dot segments, which `new URL` would. */
export function splitUrl(url: string): { path: string; search: string } {
  const scheme = url.indexOf("://");
  const from = scheme < 0 ? 0 : url.indexOf("/", scheme + 3);
  if (from < 0) return { path: "/", search: "" };
  let question = url.indexOf("?", from);
  const hash = url.indexOf("#", from);
  const end = hash < 0 ? url.length : hash;
  if (question < 0 || question > end) question = end;
  return { path: url.slice(from, question), search: url.slice(question, end) };
}

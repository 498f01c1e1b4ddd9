import { type Digest, parseDigest } from "./digest.ts";
import { AppError } from "../lib/errors.ts";

/** What stands behind `/manifests/`: a tag name or a digest. */
export type Reference = { kind: "tag"; tag: string } | { kind: "digest"; digest: Digest };

const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const NAMESPACE = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/;
const COMPONENT = /^[a-z0-9][.a-z0-9_-]*$/;

/** Tag names: Quay's rule, which is the OCI distribution-spec's. */
export function isTagName(text: string): boolean {
  return TAG.test(text);
}

/** @throws {AppError} `tag_invalid` */
export function parseTagName(text: string): string {
  if (!isTagName(text)) {
    throw new AppError("tag_invalid", "a tag is 1-128 of A-Z a-z 0-9 _ . - and starts with none of . and -", {
      tag: text.slice(0, 200),
    });
  }
  return text;
}

/**
 * A text with a colon can only be meant as a digest.
 * @throws {AppError} `digest_invalid` | `tag_invalid`
 */
export function parseReference(text: string): Reference {
  if (text.includes(":")) return { kind: "digest", digest: parseDigest(text) };
  return { kind: "tag", tag: parseTagName(text) };
}

/** A repository's full name in its two parts. */
export interface RepositoryName {
  readonly namespace: string;
  readonly name: string;
}

/** How names are read. `libraryNamespace` is `LIBRARY_NAMESPACE`, absent without `FEATURE_LIBRARY_SUPPORT`. */
export interface NameRules {
  readonly libraryNamespace?: string;
  /** `FEATURE_EXTENDED_REPOSITORY_NAMES`: `ns/a/b` is a name. */
  readonly nested: boolean;
}

/**
 * Splits `ns/repo` or `ns/a/b`; `repo` alone is in the library namespace. Quay's rules for each part: at most 255
 * characters in all.
 * @throws {AppError} `name_invalid`
 */
export function parseRepositoryName(text: string, rules: NameRules): RepositoryName {
  const slash = text.indexOf("/");
  const namespace = slash < 0 ? rules.libraryNamespace : text.slice(0, slash);
  const name = slash < 0 ? text : text.slice(slash + 1);
  if (
    text.length > 255 || namespace === undefined || namespace.length < 2 || !NAMESPACE.test(namespace) ||
    !isRepositoryPart(name, rules.nested)
  ) {
    throw new AppError("name_invalid", "invalid repository name", { name: text.slice(0, 300) });
  }
  return { namespace, name };
}

/** The part behind the namespace. `..` is never in it: it would be taken for a path by somebody. */
export function isRepositoryPart(name: string, nested: boolean): boolean {
  if (name.length === 0 || name.length > 255 || name.includes("..")) return false;
  if (!nested && name.includes("/")) return false;
  return name.split("/").every((part) => COMPONENT.test(part));
}

/** Tag that a registry client without the referrers API keeps a subject's index under: `sha256-<hex>`. */
export function fallbackTag(digest: Digest): string {
  return digest.replace(":", "-").slice(0, 128);
}

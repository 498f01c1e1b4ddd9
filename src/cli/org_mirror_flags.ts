import type { OrganizationMirrorChange } from "../domain/mirroring/organization_settings.ts";
import { listOf, sharedFrom } from "./mirror_flags.ts";
import type { Request } from "./operator.ts";
import { usageError } from "./output.ts";

/** What may be said of an organization's mirror on the command line. */
export const ORG_MIRROR_FLAGS = {
  from: { type: "string" },
  product: { type: "string" },
  robot: { type: "string" },
  filters: { type: "string" },
  visibility: { type: "string" },
  every: { type: "string" },
  start: { type: "string" },
  username: { type: "string" },
  "password-stdin": { type: "boolean" },
  "no-verify-tls": { type: "boolean" },
  "verify-tls": { type: "boolean" },
} as const;

export const ORG_MIRROR_USAGE = "[--filters GLOBS] [--visibility public|private] [--every SECONDS] …";

export const ORG_MIRROR_NOTES =
  `  --from https://HOST/NAMESPACE  the organization or user (Quay) or project (Harbor) to follow
  --product quay|harbor   what the other registry is (create: quay)
  --robot NAMESPACE+NAME  who writes; a robot of the organization
  --filters GLOB,…        which repositories (create: all)
  --visibility public|private   of the repositories that are made (create: private)
  --every SECONDS         how often (create: 86400)
  --start DATE            when first, such as 2026-12-01T02:00:00Z (create: now)
  --username NAME         signs in as; the password is the first line of standard input with --password-stdin. For a Quay
                          the password is an OAuth token, and the name may be left out
  --no-verify-tls         any certificate will do, and plain HTTP; --verify-tls takes that back`;

/** Wrong words, before the database is opened. @throws {RangeError} */
export function checkFlags({ text }: Pick<Request, "text">): void {
  oneOf("visibility", text("visibility"), ["public", "private"]);
  sourceFrom(text("from"));
}

/** @throws {RangeError} */
export function oneOf(flag: string, value: string | undefined, known: readonly string[]): void {
  if (value !== undefined && !known.includes(value)) {
    throw usageError(`--${flag} is ${known.join(" or ")}, not "${value}"`);
  }
}

/** `https://host/namespace` in the two fields of the REST API. */
function sourceFrom(from: string | undefined): Pick<OrganizationMirrorChange, "registryUrl" | "namespace"> {
  if (from === undefined) return {};
  const [, registryUrl, namespace] = /^(https?:\/\/[^/]+)\/([^/]+)\/?$/.exec(from) ?? [];
  if (registryUrl === undefined) {
    throw usageError(`--from is https://HOST/NAMESPACE, not "${from}"`);
  }
  return { registryUrl, namespace };
}

/** What the flags say. @throws {RangeError} */
export async function organizationChangeFrom(request: Request): Promise<OrganizationMirrorChange> {
  const { text } = request;
  return {
    ...sourceFrom(text("from")),
    ...await sharedFrom(request),
    filters: listOf(text("filters")),
    visibility: text("visibility") as OrganizationMirrorChange["visibility"],
  };
}

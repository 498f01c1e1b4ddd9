import {
  type ReferrerRow,
  selectManifestBytes,
  selectReferrerDigests,
  selectReferrers,
} from "../../drivers/database/queries/manifest.ts";
import { selectLiveTag } from "../../drivers/database/queries/tag.ts";
import type { Digest } from "../../oci/digest.ts";
import { fallbackTag } from "../../oci/reference.ts";
import type { Deps } from "../deps.ts";

/** A descriptor of the referrers index, in the spec's own field names. */
export interface ReferrerDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ReferrersPage {
  readonly descriptors: readonly ReferrerDescriptor[];
  /** Where the next page starts; absent on the last one. */
  readonly next?: number;
}

/**
 * A page of the manifests that name `subject`, whether that one is there or not. The last page also has what clients
 * without the referrers API have put into the index under the fallback tag `sha256-<hex>`.
 * OCI distribution-spec 1.1 "Listing referrers".
 * @param repositoryId the caller has checked read permission
 * @param page.after `next` of the page before, 0 for the first
 */
export async function listReferrers(
  { sql, now }: Pick<Deps, "sql" | "now">,
  repositoryId: number,
  subject: Digest,
  page: { artifactType: string | undefined; after: number; limit: number },
): Promise<ReferrersPage> {
  const { artifactType, after: afterId, limit } = page;
  const nowMs = now();
  const rows = await selectReferrers(sql, {
    repositoryId,
    subject,
    artifactType,
    afterId,
    limit: limit + 1,
    nowMs,
  });
  const shown = rows.slice(0, limit);
  const descriptors = shown.map(descriptorOf);
  const last = shown.at(-1);
  if (rows.length > limit && last !== undefined) return { descriptors, next: last.id };

  const tagged = await fallbackDescriptors({ sql, now }, repositoryId, subject);
  if (tagged.length === 0) return { descriptors };
  const listed = new Set(
    await selectReferrerDigests(sql, repositoryId, subject, tagged.map((descriptor) => descriptor.digest)),
  );
  const others = tagged.filter((descriptor) =>
    !listed.has(descriptor.digest) && (artifactType === undefined || descriptor.artifactType === artifactType)
  );
  return { descriptors: [...descriptors, ...others] };
}

function descriptorOf(row: ReferrerRow): ReferrerDescriptor {
  const { annotations } = JSON.parse(row.bytes) as { annotations?: Record<string, string> | null };
  return {
    mediaType: row.mediaType,
    digest: row.digest,
    size: new TextEncoder().encode(row.bytes).byteLength,
    ...(row.artifactType !== null && { artifactType: row.artifactType }),
    ...(annotations && Object.keys(annotations).length > 0 && { annotations }),
  };
}

/** Descriptors of the index under the fallback tag; whatever else stands under that name counts for nothing. */
async function fallbackDescriptors(
  { sql, now }: Pick<Deps, "sql" | "now">,
  repositoryId: number,
  subject: Digest,
): Promise<ReferrerDescriptor[]> {
  const tag = await selectLiveTag(sql, repositoryId, fallbackTag(subject), now());
  if (tag === undefined) return [];
  const [row] = await selectManifestBytes(sql, [tag.manifestId]);
  const index = JSON.parse(row?.bytes ?? "{}") as { manifests?: unknown };
  // It was checked when it was pushed: these are descriptors.
  return Array.isArray(index.manifests) ? index.manifests as ReferrerDescriptor[] : [];
}

import type { Sql } from "../postgres.ts";

/** Where the scanner is with a manifest. */
export interface ManifestSecurityRow {
  readonly mediaType: string;
  /** Quay's `manifestsecuritystatus.index_status`; null: nobody has looked at it. */
  readonly indexStatus: number | null;
}

/** Of a manifest of the repository, whether a tag still points at it or not. */
export async function selectManifestSecurity(
  sql: Sql,
  repositoryId: number,
  digest: string,
): Promise<ManifestSecurityRow | undefined> {
  const [row] = await sql<ManifestSecurityRow[]>`
    select mt.name as "mediaType", s.index_status as "indexStatus"
    from manifest m join mediatype mt on mt.id = m.media_type_id
      left join manifestsecuritystatus s on s.manifest_id = m.id
    where m.repository_id = ${repositoryId} and m.digest = ${digest}`;
  return row;
}

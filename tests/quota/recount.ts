import assert from "node:assert/strict";
import type { Pool } from "../../src/drivers/database/postgres.ts";

/** Counts the slow way what manifests name, and compares it with every size that is kept. */
export async function expectTrueSizes(sql: Pool): Promise<void> {
  const kept = await sql`
    select 'repository ' || repository_id as what, size_bytes::float8 as bytes from quotarepositorysize where size_bytes <> 0
    union all
    select 'namespace ' || namespace_user_id, size_bytes::float8 from quotanamespacesize where size_bytes <> 0
    order by what`;
  const counted = await sql`
    with held as (
      select distinct b.repository_id, r.namespace_user_id, b.blob_id, s.image_size
      from manifestblob b join repository r on r.id = b.repository_id join imagestorage s on s.id = b.blob_id
    )
    select 'repository ' || repository_id as what, sum(image_size)::float8 as bytes from held group by repository_id
    union all
    select 'namespace ' || namespace_user_id, sum(image_size)::float8
    from (select distinct namespace_user_id, blob_id, image_size from held) h group by namespace_user_id
    order by what`;
  assert.deepEqual(kept.map((row) => ({ ...row })), counted.map((row) => ({ ...row })));
}

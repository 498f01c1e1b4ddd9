import type { Digest } from "../../../oci/digest.ts";
import type { Sql } from "../postgres.ts";

/** The right to put, replace or take away the object of a digest. */
export interface DigestClaim {
  readonly digest: Digest;
  /** Proves it: whatever is done under the claim must still find this. */
  readonly token: string;
}

/** Takes the claim if nobody has it, or if whoever had it stopped renewing. @returns whether it was taken */
export async function claimDigest(
  sql: Sql,
  { digest, token }: DigestClaim,
  seconds: number,
): Promise<boolean> {
  const { count } = await sql`
    with relaxed as (select set_config('synchronous_commit', 'off', true))
    insert into blobclaim as c (digest, token, expires_at)
    select ${digest}, ${token}, (now() at time zone 'utc') + make_interval(secs => ${seconds}) from relaxed
    on conflict (digest) do update set token = excluded.token, expires_at = excluded.expires_at
    where c.expires_at <= (now() at time zone 'utc')`;
  return count > 0;
}

/** @returns false when it was lost */
export async function renewDigestClaim(
  sql: Sql,
  { digest, token }: DigestClaim,
  seconds: number,
): Promise<boolean> {
  const { count } = await sql`
    update blobclaim set expires_at = (now() at time zone 'utc') + make_interval(secs => ${seconds})
    where digest = ${digest} and token = ${token}`;
  return count > 0;
}

/** Locks the claim's row until the transaction ends: nobody takes it over meanwhile. @returns false when it was lost */
export async function holdDigestClaim(sql: Sql, { digest, token }: DigestClaim): Promise<boolean> {
  const rows = await sql`select 1 from blobclaim where digest = ${digest} and token = ${token} for update`;
  return rows.length > 0;
}

/** Gives it back. */
export async function releaseDigestClaim(sql: Sql, { digest, token }: DigestClaim): Promise<void> {
  await sql`delete from blobclaim where digest = ${digest} and token = ${token}`;
}

/** Takes all of them back: for a start at which nobody can be holding one. */
export async function endDigestClaims(sql: Sql): Promise<void> {
  await sql`delete from blobclaim`;
}

/** Removes what crashed holders left behind. */
export async function deleteExpiredDigestClaims(sql: Sql): Promise<void> {
  await sql`delete from blobclaim where expires_at <= (now() at time zone 'utc') - interval '1 hour'`;
}

import type { Sql } from "../postgres.ts";

/** A row of `proxycacheconfig`, as stored. */
export interface ProxyCacheRow {
  readonly upstreamRegistry: string;
  readonly sealedUsername: string | null;
  readonly sealedPassword: string | null;
  readonly expirationS: number;
  readonly insecure: boolean;
}

export async function selectProxyCache(sql: Sql, organizationId: number): Promise<ProxyCacheRow | undefined> {
  const [row] = await sql<ProxyCacheRow[]>`
    select upstream_registry as "upstreamRegistry", upstream_registry_username as "sealedUsername",
      upstream_registry_password as "sealedPassword", expiration_s as "expirationS", insecure
    from proxycacheconfig where organization_id = ${organizationId} order by id limit 1`;
  return row;
}

/** Of two at once the second waits for the first. @returns false, and nothing has changed, when there is one */
export async function insertProxyCache(
  sql: Sql,
  organizationId: number,
  row: ProxyCacheRow,
): Promise<boolean> {
  await sql`select id from "user" where id = ${organizationId} for no key update`;
  const rows = await sql`
    insert into proxycacheconfig (organization_id, upstream_registry, upstream_registry_username,
      upstream_registry_password, expiration_s, insecure)
    select ${organizationId}, ${row.upstreamRegistry}, ${row.sealedUsername}, ${row.sealedPassword},
      ${row.expirationS}, ${row.insecure}
    where not exists (select from proxycacheconfig where organization_id = ${organizationId})
    returning id`;
  return rows.length > 0;
}

/** @returns what was there */
export async function deleteProxyCache(
  sql: Sql,
  organizationId: number,
): Promise<{ readonly upstreamRegistry: string } | undefined> {
  const [row] = await sql<{ upstreamRegistry: string }[]>`
    delete from proxycacheconfig where organization_id = ${organizationId}
    returning upstream_registry as "upstreamRegistry"`;
  return row;
}

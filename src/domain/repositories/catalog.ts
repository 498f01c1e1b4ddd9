import { selectCatalog } from "../../drivers/database/queries/catalog.ts";
import type { Deps } from "../deps.ts";
import type { RegistryToken } from "../access/registry_tokens.ts";

/** A repository's full name, `ns/repo`, and whether more follow the last one. */
export interface CatalogPage {
  readonly names: readonly string[];
  readonly more: boolean;
}

/**
 * Repositories that the caller may pull from, in byte order of namespace, then name. Public ones of others only with
 * `FEATURE_PUBLIC_CATALOG`; superusers with full access and global read-only superusers see all.
 * @param page.after full name of the last one on the page before, `""` for the first page; it need not exist
 */
export async function listCatalog(
  { sql, config }: Pick<Deps, "sql" | "config">,
  token: RegistryToken,
  page: { after: string; limit: number },
): Promise<CatalogPage> {
  const slash = page.after.indexOf("/");
  const rows = await selectCatalog(sql, {
    all: token.globalReadonlySuperuser || (token.superuser && config.FEATURE_SUPERUSERS_FULL_ACCESS),
    userId: token.userId ?? null,
    includePublic: config.FEATURE_PUBLIC_CATALOG,
  }, {
    afterNamespace: slash < 0 ? page.after : page.after.slice(0, slash),
    // Without a slash the whole namespace of that name is still to come, as `ns/…` sorts behind `ns`.
    afterName: slash < 0 ? "" : page.after.slice(slash + 1),
    limit: page.limit + 1,
  });
  const names = rows.map((row) => `${row.namespace}/${row.name}`);
  return { names: names.slice(0, page.limit), more: names.length > page.limit };
}

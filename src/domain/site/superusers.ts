import type { Sql } from "../../drivers/database/postgres.ts";
import { selectNamespace } from "../../drivers/database/queries/user.ts";
import type { Deps } from "../deps.ts";

/** Ids of the people in `SUPER_USERS` who have an account. */
export async function superuserIds(
  { sql, config }: { readonly sql: Sql } & Pick<Deps, "config">,
): Promise<number[]> {
  if (!config.FEATURE_SUPER_USERS) return [];
  const ids: number[] = [];
  for (const name of config.SUPER_USERS) {
    const user = await selectNamespace(sql, name);
    if (user !== undefined && !user.organization) ids.push(user.id);
  }
  return ids;
}

import { deleteFederatedLogin } from "../../drivers/database/queries/federated_login.ts";
import type { Actor } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { requirePerson } from "../access/rights.ts";

/**
 * Ends that the person signs in with an account of that service; nothing happens when there was none. Whether another way
 * to sign in remains is not asked, as in Quay.
 */
export async function detachLogin(deps: Pick<Deps, "sql">, actor: Actor, service: string): Promise<void> {
  await deleteFederatedLogin(deps.sql, requirePerson(actor, "user:admin").id, service);
}

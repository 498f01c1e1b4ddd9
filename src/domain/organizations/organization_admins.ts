import type { Sql } from "../../drivers/database/postgres.ts";
import { countOrganizationAdmins } from "../../drivers/database/queries/team.ts";
import { AppError } from "../../lib/errors.ts";

/**
 * Undoes `change`, by throwing inside the caller's transaction, when it leaves an organization that had administrators
 * without one. The caller holds a lock on the organization (`lockOrganization`): two cannot each take one of the last two.
 */
export async function keepingAnAdmin(
  tx: Sql,
  organization: { id: number },
  change: () => Promise<void>,
): Promise<void> {
  const before = await countOrganizationAdmins(tx, organization.id);
  await change();
  if (before > 0 && await countOrganizationAdmins(tx, organization.id) === 0) {
    throw new AppError("invalid_request", "An organization must keep at least one administrator");
  }
}

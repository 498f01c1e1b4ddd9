/** Who sees and who sets the quota of a namespace. */
import { isOrganizationMember } from "../../drivers/database/queries/team.ts";
import { selectNamespace, type UserRow } from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import { type Actor, isGlobalReadonlySuperuser, isSuperuser } from "../access/access.ts";
import {
  hasScope,
  isOperator,
  refusal,
  requirePerson,
  requireSuperuser,
  requireSuperuserOrReader,
} from "../access/rights.ts";
import type { Deps } from "../deps.ts";

type QuotaDeps = Pick<Deps, "sql" | "config">;

/** @throws {AppError} `feature_disabled` while quotas are not managed here */
export function requireQuotas({ config }: Pick<Deps, "config">): void {
  if (config.FEATURE_QUOTA_MANAGEMENT && config.FEATURE_EDIT_QUOTA && config.FEATURE_SUPER_USERS) return;
  throw new AppError("feature_disabled", "Not Found");
}

/** The organization, for its members, superusers and global read-only superusers. @throws {AppError} */
export async function openForQuota(deps: QuotaDeps, actor: Actor, name: string): Promise<UserRow> {
  const account = await selectNamespace(deps.sql, name);
  const organization = account?.organization ? account : undefined;
  const seesAll = isOperator(actor) || isSuperuser(deps.config, actor) ||
    isGlobalReadonlySuperuser(deps.config, actor) && hasScope(actor, "super:user");
  const isMember = organization !== undefined && actor.kind === "user" && hasScope(actor, "org:admin") &&
    await isOrganizationMember(deps.sql, organization.id, actor.id);
  if (!seesAll && !isMember) throw refusal(actor);
  if (organization === undefined) throw new AppError("not_found", "Organization not found");
  return organization;
}

/** The caller's own account. @throws {AppError} `unauthenticated`, `insufficient_scope` */
export async function openOwnForQuota(deps: QuotaDeps, actor: Actor): Promise<UserRow> {
  const account = await selectNamespace(deps.sql, requirePerson(actor, "user:admin").username);
  if (account === undefined) throw refusal(actor);
  return account;
}

/** Any namespace, for superusers and global read-only superusers. @throws {AppError} `not_found` */
export async function openAnyForQuota(deps: QuotaDeps, actor: Actor, name: string): Promise<UserRow> {
  requireSuperuserOrReader(deps.config, actor);
  const account = await selectNamespace(deps.sql, name);
  if (account === undefined) throw new AppError("not_found", "Not Found");
  return account;
}

/** A namespace whose quota is to be changed. @param actor a superuser @throws {AppError} `not_found` */
export async function openToLimit(
  deps: QuotaDeps,
  actor: Actor,
  name: string,
  kind?: "organization",
): Promise<UserRow> {
  requireSuperuser(deps.config, actor);
  const account = await selectNamespace(deps.sql, name);
  if (account === undefined || kind === "organization" && !account.organization) {
    throw new AppError("not_found", "Not Found");
  }
  return account;
}

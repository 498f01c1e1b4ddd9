/** Organizations as superusers and the operator manage them. */
import {
  renameRobots,
  selectFirstAdminTeam,
  selectLongestRobotSuffix,
  turnIntoOrganization,
  updateUsername,
} from "../../drivers/database/queries/managed_account.ts";
import { insertTeam, insertTeamMember, lockOrganization } from "../../drivers/database/queries/team.ts";
import { selectAccount, type UserRow } from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import { type Actor, isNamedSuperuser } from "../access/access.ts";
import { refusal, requireSuperuser } from "../access/rights.ts";
import type { Deps } from "../deps.ts";
import { bySuperuser, logAction } from "../logs/action_log.ts";
import { checkAccountName } from "../names.ts";
import { removeNamespace } from "./namespace_removal.ts";
import { findOrganization } from "./organizations.ts";

type ManageDeps = Pick<Deps, "sql" | "config" | "changes" | "now">;

/**
 * Gives an organization another name; its robots are renamed with it. Whatever named images by the old one must be told.
 * @param actor a superuser or the operator
 * @throws {AppError} `not_found`, `name_invalid`, `already_exists`
 */
export async function renameOrganization(
  deps: ManageDeps,
  actor: Actor,
  name: string,
  newName: string,
): Promise<UserRow> {
  requireSuperuser(deps.config, actor);
  const organization = await findOrganization(deps, name);
  if (newName === name) return organization;
  checkAccountName("Organization name", newName);
  await deps.sql.begin(async (tx) => {
    await lockOrganization(tx, organization.id);
    if (await selectAccount(tx, newName) !== undefined) throw nameTaken();
    if (newName.length + await selectLongestRobotSuffix(tx, name) > 255) {
      throw new AppError("name_invalid", "With that name the names of its robots would be longer than 255");
    }
    await updateUsername(tx, organization.id, newName);
    await renameRobots(tx, name, newName);
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "org_change_name",
      namespaceId: organization.id,
      metadata: { old_name: name, new_name: newName, ...bySuperuser(actor) },
    });
  }).catch((error) => {
    // Taken between the look and the change.
    throw (error as { code?: unknown })?.code === "23505" ? nameTaken() : error;
  });
  deps.changes?.allChanged();
  return await findOrganization(deps, newName);
}

/** @param actor a superuser or the operator @throws {AppError} `not_found` */
export async function deleteManagedOrganization(deps: ManageDeps, actor: Actor, name: string): Promise<void> {
  requireSuperuser(deps.config, actor);
  const organization = await findOrganization(deps, name);
  await removeNamespace(deps, organization, (tx) =>
    logAction({ ...deps, sql: tx }, actor, {
      kind: "org_delete",
      namespaceId: organization.id,
      metadata: { namespace: name, ...bySuperuser(actor) },
    }));
}

/**
 * Makes a superuser the owner of a namespace: a member of a team of administrators, of an organization; a person's account
 * becomes an organization first, which that person can no longer sign in to.
 * @param actor a superuser
 * @throws {AppError} `not_found`; `invalid_request` for the namespace of a superuser
 */
export async function takeOwnership(deps: ManageDeps, actor: Actor, namespace: string): Promise<void> {
  requireSuperuser(deps.config, actor);
  // The operator at the shell is nobody who could own something.
  if (actor.kind !== "user") throw refusal(actor);
  if (isNamedSuperuser(deps.config, namespace)) {
    throw new AppError("invalid_request", "Cannot take ownership of a superuser");
  }
  await deps.sql.begin(async (tx) => {
    const account = await selectAccount(tx, namespace);
    if (account === undefined || account.robot) throw new AppError("not_found", "Not Found");
    await lockOrganization(tx, account.id);
    if (!account.organization) await turnIntoOrganization(tx, account.id);
    const team = await selectFirstAdminTeam(tx, account.id) ??
      await insertTeam(tx, { organizationId: account.id, name: "owners", role: "admin", description: "" });
    if (team === undefined) {
      throw new AppError("invalid_request", "The team owners is no team of administrators");
    }
    await insertTeamMember(tx, team, actor.id);
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "take_ownership",
      namespaceId: actor.id,
      metadata: {
        entity_id: account.id,
        namespace,
        was_user: !account.organization,
        superuser: actor.username,
      },
    });
  });
  deps.changes?.allChanged();
}

function nameTaken(): AppError {
  return new AppError("already_exists", "A user or organization with this name already exists");
}

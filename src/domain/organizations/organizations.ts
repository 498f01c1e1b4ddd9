import { upsertContactEmail } from "../../drivers/database/queries/contact_email.ts";
import { insertTeam, insertTeamMember } from "../../drivers/database/queries/team.ts";
import {
  selectAccount,
  selectNamespace,
  selectUserById,
  type UserRow,
} from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import { type Actor, canCreateOrganization, isGlobalReadonlySuperuser } from "../access/access.ts";
import { checkOptionalEmail } from "../accounts/account_settings.ts";
import { checkEmail, claimAccount } from "../accounts/accounts.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { checkAccountName } from "../names.ts";
import { removeNamespace } from "./namespace_removal.ts";
import { canAdministerNamespace, isOperator, refusal, requirePerson } from "../access/rights.ts";

/** The team that every organization starts with. */
const OWNERS = "owners";

/**
 * Creates an organization with the team `owners`, and its creator in it.
 * @param options.owner a user who becomes the owner when the operator, who is nobody's account, creates it
 * @param confirm asked once nothing else stands against it, outside any transaction; what it throws ends the matter
 * @throws {AppError} `name_invalid`, `invalid_request`, `already_exists`, `insufficient_scope`, `unauthenticated`
 */
export async function createOrganization(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  wanted: {
    name: string;
    email?: string | undefined;
    /** Whom to write to, where that is nobody's own address; several organizations may share it. */
    contactEmail?: string | undefined;
    owner?: string | undefined;
  },
  confirm?: () => Promise<void>,
): Promise<UserRow> {
  const ownerId = await ownerOfNew(deps, actor, wanted.owner);
  checkAccountName("Organization name", wanted.name);
  checkOptionalEmail(wanted.contactEmail);
  // The operator has no mail client at hand: the address can follow.
  if (wanted.email || !(isOperator(actor) || wanted.contactEmail)) checkEmail(deps, wanted.email);
  if (await selectAccount(deps.sql, wanted.name) !== undefined) {
    throw new AppError("already_exists", "A user or organization with this name already exists");
  }
  await confirm?.();
  return await deps.sql.begin(async (tx) => {
    const id = await claimAccount(deps, tx, {
      username: wanted.name,
      email: wanted.email,
      passwordHash: null,
      kind: "organization",
    });
    const teamId = await insertTeam(tx, { organizationId: id, name: OWNERS, role: "admin", description: "" });
    if (teamId === undefined) throw new Error("a new organization had a team already");
    if (ownerId !== undefined) await insertTeamMember(tx, teamId, ownerId);
    if (wanted.contactEmail) await upsertContactEmail(tx, id, wanted.contactEmail);
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "org_create",
      namespaceId: id,
      metadata: { email: wanted.email ?? wanted.contactEmail ?? null, namespace: wanted.name },
    });
    const created = await selectUserById(tx, id);
    if (created === undefined) throw new Error("a new organization was not there");
    return created;
  });
}

async function ownerOfNew(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  owner: string | undefined,
): Promise<number | undefined> {
  if (isOperator(actor)) {
    if (owner === undefined) return undefined;
    const user = await selectNamespace(deps.sql, owner);
    if (user === undefined || user.organization) throw new AppError("not_found", "User not found");
    return user.id;
  }
  const { id } = requirePerson(actor, "user:admin");
  if (!canCreateOrganization(deps.config, actor)) throw refusal(actor);
  return id;
}

/** The organization of that name. @throws {AppError} `not_found`, also for users */
export async function findOrganization(deps: Pick<Deps, "sql">, name: string): Promise<UserRow> {
  const account = await selectNamespace(deps.sql, name);
  if (account === undefined || !account.organization) {
    throw new AppError("not_found", "Not Found");
  }
  return account;
}

/**
 * The organization, once `actor` may administer it. To others a missing organization looks like a foreign one.
 * @throws {AppError} `not_found`, `insufficient_scope`, `unauthenticated`
 */
export async function openOrganization(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  name: string,
): Promise<UserRow> {
  const account = await selectNamespace(deps.sql, name);
  const found = account !== undefined && account.organization ? account : undefined;
  const asked = found ?? { id: -1, username: name, organization: true };
  if (!await canAdministerNamespace(deps, actor, asked)) throw refusal(actor);
  if (found === undefined) throw new AppError("not_found", "Not Found");
  return found;
}

/** As {@link openOrganization}, also for global read-only superusers. */
export async function openOrganizationForReading(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  name: string,
): Promise<UserRow> {
  return isGlobalReadonlySuperuser(deps.config, actor)
    ? await findOrganization(deps, name)
    : await openOrganization(deps, actor, name);
}

/**
 * What policies may be made for under an organization's address: it, and a person's own namespace, which automation
 * addresses like one.
 * @param how `read` is also for global read-only superusers
 * @throws {AppError} as {@link openOrganization}
 */
export async function openGovernedNamespace(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  name: string,
  how: "read" | "change",
): Promise<UserRow> {
  const account = await selectNamespace(deps.sql, name);
  if (account !== undefined && !account.organization) {
    const reads = how === "read" && isGlobalReadonlySuperuser(deps.config, actor);
    if (reads || await canAdministerNamespace(deps, actor, account)) return account;
  }
  return await (how === "read" ? openOrganizationForReading : openOrganization)(deps, actor, name);
}

/** Frees the name at once; the content goes with the queue `namespacegc`. */
export async function deleteOrganization(
  deps: Pick<Deps, "sql" | "config" | "changes" | "now">,
  actor: Actor,
  name: string,
): Promise<void> {
  const organization = await openOrganization(deps, actor, name);
  await removeNamespace(deps, organization, (tx) =>
    logAction({ ...deps, sql: tx }, actor, {
      kind: "org_delete",
      namespaceId: organization.id,
      metadata: { namespace: name },
    }));
}

/** The user or organization that owns repositories under that name. @throws {AppError} `not_found` */
export async function findNamespace(deps: Pick<Deps, "sql">, name: string): Promise<UserRow> {
  const account = await selectNamespace(deps.sql, name);
  if (account === undefined) throw new AppError("not_found", "Namespace not found");
  return account;
}

/** Default permissions of an organization: who gets what on each repository that is created in it. */
import {
  deletePrototype,
  insertPrototype,
  type PrototypePerson,
  type PrototypeRow,
  selectPrototypes,
  updatePrototypeRole,
} from "../../drivers/database/queries/prototype.ts";
import type { RepositoryRole } from "../../drivers/database/queries/repository_permission.ts";
import { selectTeam } from "../../drivers/database/queries/team.ts";
import { selectAccount, type UserRow } from "../../drivers/database/queries/user.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";

export type { PrototypePerson, PrototypeRow };

type PrototypeDeps = Pick<Deps, "sql" | "now">;

export interface NewPrototype {
  readonly role: RepositoryRole;
  readonly delegate: { readonly kind: "user" | "team"; readonly name: string };
  /** Only for repositories that this one creates. */
  readonly activatingUser?: string | undefined;
}

// Every function here: the caller has opened the organization (`openOrganization`).

export function listPrototypes({ sql }: Pick<Deps, "sql">, organization: UserRow): Promise<PrototypeRow[]> {
  return selectPrototypes(sql, organization.id);
}

/** @throws {AppError} `invalid_request`: unknown user or team, an organization, a robot of somebody else */
export async function createPrototype(
  deps: PrototypeDeps,
  actor: Actor,
  organization: UserRow,
  { role, delegate, activatingUser }: NewPrototype,
): Promise<PrototypeRow> {
  const { sql } = deps;
  const team = delegate.kind === "team" ? await selectTeam(sql, organization.id, delegate.name) : undefined;
  if (delegate.kind === "team" && team === undefined) {
    throw new AppError("invalid_request", "Unknown delegate team");
  }
  const wanted = {
    organizationId: organization.id,
    role,
    activatingId: activatingUser === undefined
      ? null
      : await holderId(deps, organization, activatingUser, "activating user"),
    delegateUserId: delegate.kind === "user"
      ? await holderId(deps, organization, delegate.name, "delegate user")
      : null,
    delegateTeamId: team?.id ?? null,
  };
  return await sql.begin(async (tx) => {
    const made = await findPrototype(tx, organization, await insertPrototype(tx, wanted));
    await logPrototype({ ...deps, sql: tx }, actor, organization, "create_prototype_permission", made);
    return made;
  });
}

/** @throws {AppError} `not_found` */
export async function setPrototypeRole(
  deps: PrototypeDeps,
  actor: Actor,
  organization: UserRow,
  uuid: string,
  role: RepositoryRole,
): Promise<PrototypeRow> {
  return await deps.sql.begin(async (tx) => {
    const { role: original_role } = await findPrototype(tx, organization, uuid);
    if (!await updatePrototypeRole(tx, organization.id, uuid, role)) throw notFound();
    const changed = await findPrototype(tx, organization, uuid);
    await logPrototype({ ...deps, sql: tx }, actor, organization, "modify_prototype_permission", changed, {
      original_role,
    });
    return changed;
  });
}

/** @throws {AppError} `not_found` */
export async function removePrototype(
  deps: PrototypeDeps,
  actor: Actor,
  organization: UserRow,
  uuid: string,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    const gone = await findPrototype(tx, organization, uuid);
    if (!await deletePrototype(tx, organization.id, uuid)) throw notFound();
    await logPrototype({ ...deps, sql: tx }, actor, organization, "delete_prototype_permission", gone);
  });
}

/** With Quay's fields. */
async function logPrototype(
  deps: { readonly sql: Sql } & Pick<Deps, "now">,
  actor: Actor,
  organization: UserRow,
  kind: "create_prototype_permission" | "modify_prototype_permission" | "delete_prototype_permission",
  row: PrototypeRow,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await logAction(deps, actor, {
    kind,
    namespaceId: organization.id,
    metadata: {
      prototypeid: row.uuid,
      username: actor.kind === "user" || actor.kind === "robot" ? actor.username : null,
      activating_username: row.activating?.name ?? null,
      role: row.role,
      ...(row.delegateUser === null
        ? { delegate_team: row.delegateTeam }
        : { delegate_user: row.delegateUser.name }),
      ...more,
    },
  });
}

async function findPrototype(
  sql: Sql,
  organization: UserRow,
  uuid: string,
): Promise<PrototypeRow> {
  const [row] = await selectPrototypes(sql, organization.id, uuid);
  if (row === undefined) throw notFound();
  return row;
}

async function holderId(
  { sql }: PrototypeDeps,
  organization: UserRow,
  name: string,
  what: string,
): Promise<number> {
  const account = await selectAccount(sql, name);
  const foreign = account?.robot === true && !account.username.startsWith(`${organization.username}+`);
  if (account === undefined || account.organization || foreign) {
    throw new AppError("invalid_request", `Unknown ${what}`);
  }
  return account.id;
}

function notFound(): AppError {
  return new AppError("not_found", "Not Found");
}

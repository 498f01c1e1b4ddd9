/** Default permissions of an organization: who gets what on each repository that is created in it. */
import {
  deletePrototype,
  insertPrototype,
  type PrototypePerson,
  type PrototypeRow,
  selectPrototypes,
  updatePrototypeRole,
} from "../drivers/database/queries/prototype.ts";
import type { RepositoryRole } from "../drivers/database/queries/repository_permission.ts";
import { selectTeam } from "../drivers/database/queries/team.ts";
import { selectAccount, type UserRow } from "../drivers/database/queries/user.ts";
import { AppError } from "../lib/errors.ts";
import type { Deps } from "./deps.ts";

export type { PrototypePerson, PrototypeRow };

type PrototypeDeps = Pick<Deps, "sql">;

export interface NewPrototype {
  readonly role: RepositoryRole;
  readonly delegate: { readonly kind: "user" | "team"; readonly name: string };
  /** Only for repositories that this one creates. */
  readonly activatingUser?: string | undefined;
}

// Every function here: the caller has opened the organization (`openOrganization`).

export function listPrototypes({ sql }: PrototypeDeps, organization: UserRow): Promise<PrototypeRow[]> {
  return selectPrototypes(sql, organization.id);
}

/** @throws {AppError} `invalid_request`: unknown user or team, an organization, a robot of somebody else */
export async function createPrototype(
  deps: PrototypeDeps,
  organization: UserRow,
  { role, delegate, activatingUser }: NewPrototype,
): Promise<PrototypeRow> {
  const { sql } = deps;
  const team = delegate.kind === "team" ? await selectTeam(sql, organization.id, delegate.name) : undefined;
  if (delegate.kind === "team" && team === undefined) {
    throw new AppError("invalid_request", "Unknown delegate team");
  }
  const uuid = await insertPrototype(sql, {
    organizationId: organization.id,
    role,
    activatingId: activatingUser === undefined
      ? null
      : await holderId(deps, organization, activatingUser, "activating user"),
    delegateUserId: delegate.kind === "user"
      ? await holderId(deps, organization, delegate.name, "delegate user")
      : null,
    delegateTeamId: team?.id ?? null,
  });
  return await findPrototype(deps, organization, uuid);
}

/** @throws {AppError} `not_found` */
export async function setPrototypeRole(
  deps: PrototypeDeps,
  organization: UserRow,
  uuid: string,
  role: RepositoryRole,
): Promise<PrototypeRow> {
  if (!await updatePrototypeRole(deps.sql, organization.id, uuid, role)) throw notFound();
  return await findPrototype(deps, organization, uuid);
}

/** @throws {AppError} `not_found` */
export async function removePrototype(
  { sql }: PrototypeDeps,
  organization: UserRow,
  uuid: string,
): Promise<void> {
  if (!await deletePrototype(sql, organization.id, uuid)) throw notFound();
}

async function findPrototype(
  { sql }: PrototypeDeps,
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

import {
  deleteTeamPermission,
  deleteUserPermission,
  type RepositoryRole,
  selectTeamGrants,
  selectUserGrants,
  type TeamGrant,
  upsertTeamPermission,
  upsertUserPermission,
  type UserGrant,
} from "../../drivers/database/queries/repository_permission.ts";
import type { RepositoryRef } from "../../drivers/database/queries/repository.ts";
import { selectMembersAmong, selectTeam } from "../../drivers/database/queries/team.ts";
import { selectAccount } from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "./access.ts";
import { logRepositoryAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";

export type { RepositoryRole, TeamGrant };
/** A grant, and whether its holder is in a team of the organization (undefined in a user's own namespace). */
export type PersonGrant = UserGrant & { readonly isMember: boolean | undefined };

type PermissionDeps = Pick<Deps, "sql">;
type ChangeDeps = Pick<Deps, "sql" | "config" | "now">;

// Every function here: the caller has opened the repository for `admin`.

/** Gives a user or robot that role. @throws {AppError} `invalid_request`: unknown user, the owner, a foreign robot */
export async function setUserPermission(
  deps: ChangeDeps,
  actor: Actor,
  repository: RepositoryRef,
  username: string,
  role: RepositoryRole,
): Promise<PersonGrant> {
  const userId = await grantee(deps, repository, username);
  await deps.sql.begin(async (tx) => {
    await upsertUserPermission(tx, { repositoryId: repository.id, userId, role });
    const by = { actor, repository };
    await logRepositoryAction({ ...deps, sql: tx }, by, "change_repo_permission", { username, role });
  });
  return await getUserPermission(deps, repository, username);
}

/** @throws {AppError} `invalid_request`: unknown user or nothing to take away */
export async function removeUserPermission(
  deps: ChangeDeps,
  actor: Actor,
  repository: RepositoryRef,
  username: string,
): Promise<void> {
  const userId = await grantee(deps, repository, username);
  await deps.sql.begin(async (tx) => {
    if (!await deleteUserPermission(tx, repository.id, userId)) {
      throw new AppError("invalid_request", "User does not have permission for repo.");
    }
    const by = { actor, repository };
    await logRepositoryAction({ ...deps, sql: tx }, by, "delete_repo_permission", { username });
  });
}

/** @throws {AppError} `invalid_request` when there is none, as Quay answers */
export async function getUserPermission(
  deps: PermissionDeps,
  repository: RepositoryRef,
  username: string,
): Promise<PersonGrant> {
  const [grant] = await withMembership(
    deps,
    repository,
    await selectUserGrants(deps.sql, repository.id, username),
  );
  if (grant === undefined) {
    throw new AppError("invalid_request", "User does not have permission for repo.");
  }
  return grant;
}

export async function listUserPermissions(
  deps: PermissionDeps,
  repository: RepositoryRef,
): Promise<PersonGrant[]> {
  return await withMembership(deps, repository, await selectUserGrants(deps.sql, repository.id));
}

/** @throws {AppError} `invalid_request` when the organization has no such team */
export async function setTeamPermission(
  deps: ChangeDeps,
  actor: Actor,
  repository: RepositoryRef,
  team: string,
  role: RepositoryRole,
): Promise<TeamGrant> {
  const teamId = await teamOf(deps, repository, team);
  await deps.sql.begin(async (tx) => {
    await upsertTeamPermission(tx, { repositoryId: repository.id, teamId, role });
    const by = { actor, repository };
    await logRepositoryAction({ ...deps, sql: tx }, by, "change_repo_permission", { team, role });
  });
  return { teamId, name: team, role };
}

export async function removeTeamPermission(
  deps: ChangeDeps,
  actor: Actor,
  repository: RepositoryRef,
  team: string,
): Promise<void> {
  const teamId = await teamOf(deps, repository, team);
  await deps.sql.begin(async (tx) => {
    if (!await deleteTeamPermission(tx, repository.id, teamId)) {
      throw new AppError("invalid_request", "Team does not have permission for repo.");
    }
    await logRepositoryAction({ ...deps, sql: tx }, { actor, repository }, "delete_repo_permission", {
      team,
    });
  });
}

/** @throws {AppError} `invalid_request` when there is none, as Quay answers */
export async function getTeamPermission(
  deps: PermissionDeps,
  repository: RepositoryRef,
  team: string,
): Promise<TeamGrant> {
  const [grant] = await selectTeamGrants(deps.sql, repository.id, team);
  if (grant === undefined) throw new AppError("invalid_request", "Team does not have permission for repo.");
  return grant;
}

export function listTeamPermissions(deps: PermissionDeps, repository: RepositoryRef): Promise<TeamGrant[]> {
  return selectTeamGrants(deps.sql, repository.id);
}

async function grantee(deps: PermissionDeps, repository: RepositoryRef, username: string): Promise<number> {
  const account = await selectAccount(deps.sql, username);
  if (account === undefined || account.organization) {
    throw new AppError("invalid_request", `User does not exist: ${username}`);
  }
  if (account.id === repository.namespaceId) {
    throw new AppError("invalid_request", "The owner of the namespace is always its administrator");
  }
  if (account.robot && !username.startsWith(`${repository.namespace}+`)) {
    throw new AppError("invalid_request", "Cannot give permission to a robot of another namespace");
  }
  return account.id;
}

async function teamOf(deps: PermissionDeps, repository: RepositoryRef, name: string): Promise<number> {
  const team = repository.inOrganization
    ? await selectTeam(deps.sql, repository.namespaceId, name)
    : undefined;
  if (team === undefined) throw new AppError("invalid_request", `Team does not exist: ${name}`);
  return team.id;
}

async function withMembership(
  deps: PermissionDeps,
  repository: RepositoryRef,
  grants: UserGrant[],
): Promise<PersonGrant[]> {
  if (!repository.inOrganization) return grants.map((grant) => ({ ...grant, isMember: undefined }));
  const ids = grants.map((grant) => grant.userId);
  const members = await selectMembersAmong(deps.sql, repository.namespaceId, ids);
  return grants.map((grant) => ({ ...grant, isMember: members.has(grant.userId) }));
}

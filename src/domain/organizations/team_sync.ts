/**
 * Teams that follow a group of a directory (auth.md §7): which one is kept here. Following it is the business of the
 * sign-in engines.
 */
import type { Config } from "../../config/schema.ts";
import {
  deleteHumanTeamMembers,
  deleteTeamSync,
  selectTeamSync,
  type TeamSyncRow,
  upsertTeamSync,
} from "../../drivers/database/queries/team_sync.ts";
import { lockOrganization, selectTeam, type TeamRow } from "../../drivers/database/queries/team.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import { type Actor, isSuperuser } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { keepingAnAdmin } from "./organization_admins.ts";
import { openOrganization } from "./organizations.ts";
import { isOperator, refusal } from "../access/rights.ts";

export type { TeamSyncRow };

type SyncDeps = Pick<Deps, "sql" | "config" | "now">;

/** What an engine calls its groups. */
export interface TeamSyncService {
  readonly service: "ldap" | "keystone" | "oidc";
  readonly key: "group_dn" | "group_id" | "group_name";
}

const SERVICES: Readonly<Partial<Record<Config["AUTHENTICATION_TYPE"], TeamSyncService>>> = {
  LDAP: { service: "ldap", key: "group_dn" },
  Keystone: { service: "keystone", key: "group_id" },
  OIDC: { service: "oidc", key: "group_name" },
};

/** Where groups come from; undefined when teams cannot follow any (`FEATURE_TEAM_SYNCING`, `AUTHENTICATION_TYPE`). */
export function teamSyncService(config: Config): TeamSyncService | undefined {
  return config.FEATURE_TEAM_SYNCING ? SERVICES[config.AUTHENTICATION_TYPE] : undefined;
}

/**
 * Where the engine looks for groups, for who sets a team up: `base_dn` of the directory, or the provider's address.
 * Nothing that is secret.
 */
export function teamSyncPlace(config: Config): { base_dn?: string; issuer_domain?: string } {
  if (config.AUTHENTICATION_TYPE === "LDAP") return { base_dn: config.LDAP_BASE_DN.join(",") };
  if (config.AUTHENTICATION_TYPE !== "OIDC") return {};
  for (const [key, value] of Object.entries(config)) {
    const login = /^[A-Z0-9_]+_LOGIN_CONFIG$/.test(key) ? value as { OIDC_SERVER?: string } | null : null;
    if (login?.OIDC_SERVER !== undefined) return { issuer_domain: login.OIDC_SERVER };
  }
  return {};
}

/** Superusers, or every administrator of the organization with `FEATURE_NONSUPERUSER_TEAM_SYNCING_SETUP`. */
export function maySetUpTeamSync(config: Config, actor: Actor): boolean {
  return isOperator(actor) || config.FEATURE_NONSUPERUSER_TEAM_SYNCING_SETUP || isSuperuser(config, actor);
}

/** What the members' page tells of it: the group itself only to superusers. */
export async function describeTeamSync(
  { sql, config }: Pick<Deps, "sql" | "config">,
  team: TeamRow,
): Promise<TeamSyncRow | undefined> {
  return teamSyncService(config) === undefined ? undefined : await selectTeamSync(sql, team.id);
}

/** @throws {AppError} `invalid_request` when the team's people are those of a group */
export async function refuseSynced(sql: Sql, config: Config, team: TeamRow): Promise<void> {
  if (teamSyncService(config) !== undefined && await selectTeamSync(sql, team.id) !== undefined) {
    throw new AppError("invalid_request", "Cannot call this method on an auth-synced team");
  }
}

/**
 * Lets a team follow the group that `given` names.
 * @param given `{group_dn}`, `{group_id}` or `{group_name}`, as the sign-in engine has it
 * @throws {AppError} `feature_disabled`, `invalid_request`, `not_found`, `insufficient_scope`, `unauthenticated`
 */
export async function enableTeamSync(
  deps: SyncDeps,
  actor: Actor,
  path: { organization: string; team: string },
  given: Readonly<Record<string, unknown>>,
): Promise<TeamRow> {
  return await withTeam(deps, actor, path, async (tx, team) => {
    const service = teamSyncService(deps.config);
    if (service === undefined) {
      throw new AppError(
        "invalid_request",
        `Could not sync to group: ${deps.config.AUTHENTICATION_TYPE} sign-in has no groups`,
      );
    }
    const group = given[service.key];
    if (typeof group !== "string" || group === "") {
      throw new AppError("invalid_request", `Could not sync to group: Missing ${service.key}`);
    }
    const config = { [service.key]: group };
    await upsertTeamSync(tx, {
      teamId: team.id,
      service: service.service,
      configJson: JSON.stringify(config),
    });
    // Who is in the group is only known when they sign in.
    if (service.service === "oidc") {
      await keepingAnAdmin(tx, { id: team.organizationId }, () => deleteHumanTeamMembers(tx, team.id));
    }
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "enable_team_sync",
      namespaceId: team.organizationId,
      metadata: { team: team.name, ...config },
    });
  });
}

/** The members stay as they are. Nothing happens when it followed none. @throws {AppError} as {@link enableTeamSync} */
export async function disableTeamSync(
  deps: SyncDeps,
  actor: Actor,
  path: { organization: string; team: string },
): Promise<TeamRow> {
  return await withTeam(deps, actor, path, async (tx, team) => {
    if (!await deleteTeamSync(tx, team.id)) return;
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "disable_team_sync",
      namespaceId: team.organizationId,
      metadata: { team: team.name },
    });
  });
}

async function withTeam(
  deps: SyncDeps,
  actor: Actor,
  path: { organization: string; team: string },
  work: (tx: Sql, team: TeamRow) => Promise<void>,
): Promise<TeamRow> {
  if (!deps.config.FEATURE_TEAM_SYNCING) throw new AppError("feature_disabled", "Not Found");
  const organization = await openOrganization(deps, actor, path.organization);
  if (!maySetUpTeamSync(deps.config, actor)) throw refusal(actor);
  return await deps.sql.begin(async (tx) => {
    await lockOrganization(tx, organization.id);
    const team = await selectTeam(tx, organization.id, path.team);
    if (team === undefined) throw new AppError("not_found", "Team not found");
    await work(tx, team);
    return team;
  });
}

import { randomInt } from "node:crypto";
import { selectGrantsOfUser } from "../../drivers/database/queries/repository_permission.ts";
import {
  deleteRobotAccounts,
  deleteRobotReferences,
  insertRobotLogin,
  insertRobotMetadata,
  isRobotUsedByMirror,
  type RobotRow,
  selectRobot,
  selectRobots,
  upsertRobotToken,
} from "../../drivers/database/queries/robot.ts";
import { selectReachOf } from "../../drivers/database/queries/organization_member.ts";
import { isOrganizationMember } from "../../drivers/database/queries/team.ts";
import { insertAccount, selectNamespace, type UserRow } from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import { type Actor, isGlobalReadonlySuperuser, isRestrictedUser, isSuperuser } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { checkAccountName } from "../names.ts";
import { canAdministerNamespace, hasFullAccess, hasScope, refusal } from "../access/rights.ts";

const TOKEN_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const TOKEN_LENGTH = 64;

export interface Robot {
  readonly id: number;
  /** `namespace+short`. */
  readonly name: string;
  readonly description: string;
  /** Undefined for those who may know of the robot and not be it. */
  readonly token: string | undefined;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly createdMs: number | null;
  readonly lastAccessedMs: number | null;
}

/** With what it has in its namespace, where that was asked for and may be seen: names, sorted. */
export interface ListedRobot extends Robot {
  readonly teams?: readonly string[];
  readonly repositories?: readonly string[];
}

type RobotDeps = Pick<Deps, "sql" | "config" | "secrets" | "now">;

/**
 * Creates the robot `namespace+short` with a fresh token.
 * @param actor administrator of the namespace
 * @throws {AppError} `name_invalid`, `invalid_request` (`ROBOTS_DISALLOW`), `already_exists`, `insufficient_scope`
 */
export async function createRobot(
  deps: RobotDeps,
  actor: Actor,
  wanted: { namespace: string; short: string; description?: string; metadata?: Record<string, unknown> },
): Promise<Robot> {
  const owner = await openNamespace(deps, actor, wanted.namespace);
  refuseRestricted(deps, actor, owner);
  checkAccountName("Robot name", wanted.short);
  const username = robotName(wanted);
  // The column is as wide as any account's name.
  if (username.length > 255) {
    throw new AppError("name_invalid", "Robot name must be at most 255 characters in all");
  }
  if (deps.config.ROBOTS_DISALLOW && !deps.config.ROBOTS_WHITELIST.includes(username)) {
    throw new AppError("invalid_request", "Robot accounts are not allowed on this registry");
  }
  const token = newToken();
  await deps.sql.begin(async (tx) => {
    const id = await insertAccount(tx, {
      username,
      email: crypto.randomUUID(),
      passwordHash: null,
      verified: true,
      kind: "robot",
      tagExpirationS: owner.tagExpirationS,
      nowMs: deps.now(),
    });
    if (id === undefined) {
      // Automation recognises a robot that is there by these words.
      throw new AppError("already_exists", `Existing robot with name: ${username}`);
    }
    await insertRobotLogin(tx, id);
    await upsertRobotToken(tx, id, deps.secrets.encrypt(token));
    await insertRobotMetadata(tx, {
      robotId: id,
      description: wanted.description ?? "",
      metadataJson: JSON.stringify(wanted.metadata ?? {}),
    });
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "create_robot",
      namespaceId: owner.id,
      metadata: {
        robot: wanted.short,
        description: wanted.description ?? "",
        unstructured_metadata: wanted.metadata ?? {},
      },
    });
  });
  return await getRobot(deps, actor, wanted);
}

/** The robot with its token. @throws {AppError} `not_found`, `insufficient_scope`, `unauthenticated` */
export async function getRobot(
  deps: Omit<RobotDeps, "now">,
  actor: Actor,
  path: { namespace: string; short: string },
): Promise<Robot> {
  await openNamespace(deps, actor, path.namespace);
  return readRobot(deps, await rowOf(deps, path));
}

/**
 * The robots of a namespace, the most recently used first. Members of an organization see them without tokens.
 * @throws {AppError} `insufficient_scope`, `unauthenticated`, `not_found`
 */
export async function listRobots(
  deps: Omit<RobotDeps, "now">,
  actor: Actor,
  options: {
    namespace: string;
    limit?: number | undefined;
    withPermissions?: boolean;
    /** False where nobody asks for them: opening a thousand takes its time. */
    withTokens?: boolean;
  },
): Promise<{ robots: ListedRobot[]; isAdmin: boolean }> {
  const owner = await selectNamespace(deps.sql, options.namespace);
  const isMember = owner !== undefined && actor.kind === "user" && hasScope(actor, "org:admin") &&
    await isOrganizationMember(deps.sql, owner.id, actor.id);
  const isAdmin = owner !== undefined && await canAdministerNamespace(deps, actor, owner);
  // Global read-only superusers see even the tokens, as in Quay.
  const seesAll = isAdmin || isGlobalReadonlySuperuser(deps.config, actor);
  if (owner === undefined && seesAll) throw new AppError("not_found", "Namespace not found");
  if (!isMember && !seesAll) await openNamespace(deps, actor, options.namespace);
  const rows = await selectRobots(deps.sql, options.namespace, options.limit ?? null);
  const reach = options.withPermissions && isAdmin
    ? await selectReachOf(deps.sql, owner.id, rows.map((row) => row.id))
    : undefined;
  const reachOf = new Map(reach?.map(({ id, teams, repositories }) => [id, { teams, repositories }]));
  const robots = rows.map((row) => ({
    ...readRobot(deps, row, seesAll && options.withTokens !== false),
    ...reachOf.get(row.id),
  }));
  return { robots, isAdmin };
}

/** Makes the old token useless at once. */
export async function regenerateRobotToken(
  deps: RobotDeps,
  actor: Actor,
  path: { namespace: string; short: string },
): Promise<Robot> {
  const owner = await openNamespace(deps, actor, path.namespace);
  refuseRestricted(deps, actor, owner);
  const row = await rowOf(deps, path);
  await deps.sql.begin(async (tx) => {
    await upsertRobotToken(tx, row.id, deps.secrets.encrypt(newToken()));
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "regenerate_robot_token",
      namespaceId: owner.id,
      metadata: { robot: path.short },
    });
  });
  return readRobot(deps, await rowOf(deps, path));
}

/** @throws {AppError} `invalid_request` while a mirror pushes as the robot */
export async function deleteRobot(
  deps: RobotDeps,
  actor: Actor,
  path: { namespace: string; short: string },
): Promise<void> {
  const owner = await openNamespace(deps, actor, path.namespace);
  refuseRestricted(deps, actor, owner);
  const { id, username } = await rowOf(deps, path);
  if (await isRobotUsedByMirror(deps.sql, id)) {
    throw new AppError("invalid_request", `Robot ${username} is used by a mirror and cannot be deleted`);
  }
  await deps.sql.begin(async (tx) => {
    await deleteRobotReferences(tx, [id]);
    await deleteRobotAccounts(tx, [id]);
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "delete_robot",
      namespaceId: owner.id,
      metadata: { robot: path.short },
    });
  });
}

/** Repositories that name the robot directly. */
export async function listRobotPermissions(
  deps: Omit<RobotDeps, "now">,
  actor: Actor,
  path: { namespace: string; short: string },
) {
  await openNamespace(deps, actor, path.namespace);
  return await selectGrantsOfUser(deps.sql, (await rowOf(deps, path)).id);
}

/**
 * The robot and whose it is, once `actor` may read or change what belongs to it.
 * @throws {AppError} `not_found`, `insufficient_scope`, `unauthenticated`
 */
export async function openRobot(
  deps: Omit<RobotDeps, "now" | "secrets">,
  actor: Actor,
  path: { namespace: string; short: string },
  need: "read" | "change",
): Promise<{ owner: UserRow; robot: RobotRow }> {
  const owner = await openNamespace(deps, actor, path.namespace);
  if (need === "change") refuseRestricted(deps, actor, owner);
  return { owner, robot: await rowOf(deps, path) };
}

function robotName(path: { namespace: string; short: string }): string {
  return `${path.namespace}+${path.short}`;
}

async function openNamespace(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  namespace: string,
): Promise<UserRow> {
  const owner = await selectNamespace(deps.sql, namespace);
  const asked = owner ?? { id: -1, username: namespace, organization: true };
  if (!await canAdministerNamespace(deps, actor, asked)) throw refusal(actor);
  if (owner === undefined) throw new AppError("not_found", "Namespace not found");
  return owner;
}

/** Restricted users change nothing in their own namespace (auth.md §10). */
function refuseRestricted(deps: Pick<Deps, "config">, actor: Actor, owner: UserRow): void {
  if (owner.organization || hasFullAccess(deps.config, actor) || isSuperuser(deps.config, actor)) return;
  if (isRestrictedUser(deps.config, actor)) throw refusal(actor);
}

async function rowOf(deps: Pick<Deps, "sql">, path: { namespace: string; short: string }): Promise<RobotRow> {
  const row = await selectRobot(deps.sql, robotName(path));
  if (row === undefined) {
    throw new AppError("not_found", "Could not find robot with specified username");
  }
  return row;
}

function readRobot(deps: Pick<Deps, "secrets">, row: RobotRow, withToken = true): Robot {
  return {
    id: row.id,
    name: row.username,
    description: row.description,
    token: !withToken || row.sealedToken === null ? undefined : deps.secrets.decrypt(row.sealedToken),
    metadata: JSON.parse(row.metadataJson || "{}"),
    createdMs: row.createdMs,
    lastAccessedMs: row.lastAccessedMs,
  };
}

function newToken(): string {
  return Array.from({ length: TOKEN_LENGTH }, () => TOKEN_LETTERS[randomInt(TOKEN_LETTERS.length)]).join("");
}

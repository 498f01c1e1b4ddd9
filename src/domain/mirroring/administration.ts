/** Setting up and steering mirrors, for people. What a mirror does by itself is in `workers/repo_mirror.ts`. */
import {
  cancelMirrorSync,
  insertMirror,
  lockMirror,
  mirrorOfRepository,
  requestMirrorSync,
  updateMirrors,
} from "../../drivers/database/queries/mirror.ts";
import { REPOSITORY_STATE, updateRepositoryState } from "../../drivers/database/queries/repository.ts";
import {
  selectRolesOfUser,
  upsertUserPermission,
} from "../../drivers/database/queries/repository_permission.ts";
import { selectRobot } from "../../drivers/database/queries/robot.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import { createHostGuard } from "../../lib/ssrf.ts";
import { type Actor, isGlobalReadonlySuperuser } from "../access/access.ts";
import { logRepositoryAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { openRepository, type RepositoryRef, type RepositoryRow } from "../repositories/repositories.ts";
import { parseExternalReference } from "./external_reference.ts";
import { findMirror } from "./mirrors.ts";
import { isOfOrganization, type Mirror } from "./model.ts";
import { checkMirrorChange, columnsOf, loggedFields, type MirrorChange, NEW_MIRROR } from "./settings.ts";

type ChangeDeps = Pick<Deps, "sql" | "config" | "now" | "secrets">;

/** What must be said of a new mirror. */
export interface NewMirrorSettings extends MirrorChange {
  readonly reference: string;
  readonly intervalS: number;
  readonly startMs: number;
  readonly globs: readonly string[];
  readonly robotName: string;
}

/**
 * The repository whose mirror is seen or steered.
 * @param how `read` is also for global read-only superusers
 * @throws {AppError} `feature_disabled`; those of {@link openRepository}
 */
export async function openForMirroring(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  path: { namespace: string; name: string },
  how: "read" | "change",
): Promise<RepositoryRow> {
  if (!deps.config.FEATURE_REPO_MIRROR) throw new AppError("feature_disabled", "Not Found");
  const need = how === "read" && isGlobalReadonlySuperuser(deps.config, actor) ? "read" : "admin";
  return await openRepository(deps, actor, path, need);
}

/** @throws {AppError} `not_found` */
export async function requireMirror({ sql }: Pick<Deps, "sql">, { id }: RepositoryRef): Promise<Mirror> {
  const mirror = await findMirror(sql, id);
  if (mirror === undefined) throw new AppError("not_found", "The repository is no mirror");
  return mirror;
}

/**
 * Makes the repository a mirror: its state becomes MIRROR, the robot may write to it.
 * @param repository opened by the caller with {@link openForMirroring}
 * @returns what should be looked at: the other registry's name does not resolve at the moment
 * @throws {AppError} `already_exists`; `invalid_request`, also where the organization's mirror has made the repository
 */
export async function createMirror(
  deps: ChangeDeps,
  actor: Actor,
  repository: RepositoryRef,
  settings: NewMirrorSettings,
): Promise<string[]> {
  refuseOfOrganization(repository);
  if (await findMirror(deps.sql, repository.id) !== undefined) throw exists(repository);
  checkMirrorChange(settings);
  const robotId = await findMirrorRobot(deps, repository, settings.robotName);
  const warnings = await checkHosts(deps, settings);
  const { reference, intervalS, startMs, globs } = settings;
  const row = {
    ...NEW_MIRROR,
    reference,
    intervalS,
    startMs,
    globsJson: JSON.stringify(globs),
    ...columnsOf(deps, NEW_MIRROR, settings),
    robotId,
    repositoryId: repository.id,
  };
  await deps.sql.begin(async (tx) => {
    if (!await insertMirror(tx, row)) throw exists(repository);
    await updateRepositoryState(tx, repository.id, REPOSITORY_STATE.MIRROR);
    await letWrite(tx, repository, robotId);
    await logChange({ ...deps, sql: tx }, { actor, repository }, "external_reference", reference);
  });
  return warnings;
}

/**
 * Changes what is given. A run that is under way stops and begins anew with what was set, unless only its limits were:
 * those it heeds at once.
 * @param repository opened by the caller with {@link openForMirroring}
 * @returns warnings, as {@link createMirror}
 * @throws {AppError} `not_found`, `invalid_request`
 */
export async function changeMirror(
  deps: ChangeDeps,
  actor: Actor,
  repository: RepositoryRef,
  change: MirrorChange,
): Promise<string[]> {
  refuseOfOrganization(repository);
  await requireMirror(deps, repository);
  checkMirrorChange(change);
  const robotId = change.robotName === undefined
    ? undefined
    : await findMirrorRobot(deps, repository, change.robotName);
  const warnings = await checkHosts(deps, change);
  const fields = loggedFields(change);
  await deps.sql.begin(async (tx) => {
    const before = await lockMirror(tx, repository.id);
    if (before === undefined) throw new AppError("not_found", "The repository is no mirror");
    await updateMirrors(
      tx,
      mirrorOfRepository(tx, repository.id),
      { ...columnsOf(deps, before, change), ...(robotId === undefined ? {} : { robotId }) },
      { nowMs: deps.now(), keepsRun: fields.every(([name]) => name === "limits") },
    );
    if (robotId !== undefined) await letWrite(tx, repository, robotId);
    for (const [name, to] of fields) {
      await logChange({ ...deps, sql: tx }, { actor, repository }, name, to);
    }
  });
  return warnings;
}

/** Queues a run. @throws {AppError} `not_found`: no mirror, or its run is under way */
export async function syncMirrorNow(
  deps: ChangeDeps,
  actor: Actor,
  repository: RepositoryRef,
): Promise<void> {
  refuseOfOrganization(repository);
  await deps.sql.begin(async (tx) => {
    if (!await requestMirrorSync(tx, repository.id)) {
      throw new AppError("not_found", "The repository is no mirror, or it is being synchronized already");
    }
    await logChange({ ...deps, sql: tx }, { actor, repository }, "sync_status", "SYNC_NOW");
  });
}

/** Stops a run within moments; nothing starts before somebody asks. @throws {AppError} `not_found`: nothing to stop */
export async function cancelMirror(deps: ChangeDeps, actor: Actor, repository: RepositoryRef): Promise<void> {
  refuseOfOrganization(repository);
  await deps.sql.begin(async (tx) => {
    if (!await cancelMirrorSync(tx, repository.id)) {
      throw new AppError("not_found", "Nothing is being synchronized");
    }
    await logChange({ ...deps, sql: tx }, { actor, repository }, "sync_status", "SYNC_CANCEL");
  });
}

/** What the mirror of an organization has made is steered by that one. @throws {AppError} `invalid_request` */
function refuseOfOrganization(repository: RepositoryRef): void {
  if (!isOfOrganization({ repositoryState: repository.state })) return;
  const { namespace, name } = repository;
  throw new AppError(
    "invalid_request",
    `${namespace}/${name} belongs to the mirror of the organization ${namespace}: change, sync or cancel that one`,
  );
}

function exists({ namespace, name }: RepositoryRef): AppError {
  return new AppError(
    "already_exists",
    `Mirror configuration already exists for repository ${namespace}/${name}`,
  );
}

/** The robot that a mirror pushes as. @throws {AppError} `invalid_request` unless it is one of that namespace */
export async function findMirrorRobot(
  { sql }: Pick<Deps, "sql">,
  { namespace }: { namespace: string },
  username: string,
): Promise<number> {
  const robot = username.startsWith(`${namespace}+`) ? await selectRobot(sql, username) : undefined;
  if (robot === undefined) {
    throw new AppError(
      "invalid_request",
      `robot_username is a robot of ${namespace}, such as ${namespace}+mirror`,
    );
  }
  return robot.id;
}

/** Whoever may do more than that keeps it. */
export async function letWrite(sql: Sql, repository: { id: number }, userId: number): Promise<void> {
  const roles = await selectRolesOfUser(sql, repository.id, userId);
  if (roles.includes("write") || roles.includes("admin")) return;
  await upsertUserPermission(sql, { repositoryId: repository.id, userId, role: "write" });
}

/**
 * No addresses of the inside: see `lib/ssrf.ts`. A link that is down lets no name resolve, and that is no reason to refuse.
 * @returns warnings
 * @throws {AppError} `invalid_request`
 */
export async function checkHosts(
  { config }: Pick<Deps, "config">,
  change: Pick<MirrorChange, "reference" | "proxy">,
): Promise<string[]> {
  const guard = createHostGuard(config.SSRF_ALLOWED_HOSTS);
  const hosts: string[] = [];
  if (change.reference !== undefined) {
    hosts.push(new URL(`https://${parseExternalReference(change.reference).registry}`).hostname);
  }
  for (const proxy of [change.proxy?.httpProxy, change.proxy?.httpsProxy]) {
    if (typeof proxy === "string") hosts.push(new URL(proxy).hostname);
  }
  const warnings: string[] = [];
  for (const host of new Set(hosts)) {
    if (await guard.assertPublicIfKnown(host)) continue;
    warnings.push(`the name ${host} does not resolve at the moment; it is looked up again at each run`);
  }
  return warnings;
}

async function logChange(
  deps: Parameters<typeof logRepositoryAction>[0],
  by: Parameters<typeof logRepositoryAction>[1],
  changed: string,
  to: unknown,
): Promise<void> {
  await logRepositoryAction(deps, by, "repo_mirror_config_changed", { changed, to });
}

/** Setting up mirrors of organizations, for people. What they do by themselves is `organization_discovery.ts`. */
import type { Sql } from "../../drivers/database/postgres.ts";
import { updateMirrors } from "../../drivers/database/queries/mirror.ts";
import {
  deleteOrganizationMirror,
  insertOrganizationMirror,
  lockOrganization,
  lockOrganizationMirror,
  type MirrorObstacles,
  REGISTRY_TYPE,
  selectMirrorObstacles,
  updateOrganizationMirror,
} from "../../drivers/database/queries/organization_mirror.ts";
import {
  followedOf,
  freeRepositories,
  letWriteToAll,
  repositoriesOf,
  updateReferences,
} from "../../drivers/database/queries/organization_mirror_repository.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { logAction } from "../logs/action_log.ts";
import type { LogKind } from "../logs/log_kinds.ts";
import { openOrganization, openOrganizationForReading } from "../organizations/organizations.ts";
import { checkHosts, findMirrorRobot } from "./administration.ts";
import {
  findOrganizationMirror,
  type OrganizationMirror,
  organizationMirrorOf,
  referencePrefix,
} from "./organization_mirrors.ts";
import {
  checkOrganizationMirror,
  NEW_ORGANIZATION_MIRROR,
  type NewOrganizationMirror,
  type OrganizationMirrorChange,
  ownColumns,
  sharedColumns,
  TOKEN_USERNAME,
} from "./organization_settings.ts";

type ChangeDeps = Pick<Deps, "sql" | "config" | "now" | "secrets">;

/** An organization whose mirror is seen or steered. */
export interface MirroringOrganization {
  readonly id: number;
  readonly username: string;
}

/**
 * @param how `read` is also for global read-only superusers
 * @throws {AppError} `feature_disabled`; those of {@link openOrganization}
 */
export async function openForOrganizationMirroring(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  name: string,
  how: "read" | "change",
): Promise<MirroringOrganization> {
  if (!deps.config.FEATURE_ORG_MIRROR) throw new AppError("feature_disabled", "Not Found");
  return how === "read"
    ? await openOrganizationForReading(deps, actor, name)
    : await openOrganization(deps, actor, name);
}

/** @throws {AppError} `not_found` */
export async function requireOrganizationMirror(
  { sql }: Pick<Deps, "sql">,
  { id }: MirroringOrganization,
): Promise<OrganizationMirror> {
  const mirror = await findOrganizationMirror(sql, id);
  if (mirror === undefined) throw none();
  return mirror;
}

/**
 * Lets an empty organization follow a namespace of another registry.
 * @param organization opened by the caller with {@link openForOrganizationMirroring}
 * @returns what should be looked at: a name that does not resolve at the moment
 * @throws {AppError} `invalid_request`: what is wrong with the settings, or in the organization's way
 */
export async function createOrganizationMirror(
  deps: ChangeDeps,
  actor: Actor,
  organization: MirroringOrganization,
  wanted: NewOrganizationMirror,
): Promise<string[]> {
  const settings = withTokenName(wanted, wanted.product, false);
  const { registryUrl, namespace, intervalS, startMs, visibility, product } = settings;
  checkOrganizationMirror(settings, { registryUrl, namespace, verifyTls: true, hasUsername: false });
  const robotId = await findMirrorRobot(deps, { namespace: organization.username }, settings.robotName);
  const reference = `${referencePrefix(settings)}x`;
  const warnings = await checkHosts(deps, { reference, proxy: settings.proxy });
  const { architecturesJson: _own, ...shared } = sharedColumns(deps, NEW_ORGANIZATION_MIRROR, settings);
  const row = {
    ...NEW_ORGANIZATION_MIRROR,
    namespace,
    intervalS,
    startMs,
    visibility,
    registryUrl,
    ...shared,
    ...ownColumns(settings),
    robotId,
    organizationId: organization.id,
    registryType: REGISTRY_TYPE[product],
  };
  await deps.sql.begin(async (tx) => {
    await lockOrganization(tx, organization.id);
    refuseObstacles(await selectMirrorObstacles(tx, organization.id));
    await insertOrganizationMirror(tx, row);
    await logOrganizationMirror({ ...deps, sql: tx }, actor, organization, "org_mirror_enabled", {
      external_registry_type: product,
      external_registry_url: row.registryUrl,
      external_namespace: namespace,
    });
  });
  return warnings;
}

/**
 * Changes what is given, also of the mirrors of the repositories: what runs begins anew with it.
 * @param organization opened by the caller with {@link openForOrganizationMirroring}
 * @returns warnings, as {@link createOrganizationMirror}
 * @throws {AppError} `not_found`, `invalid_request`
 */
export async function changeOrganizationMirror(
  deps: ChangeDeps,
  actor: Actor,
  organization: MirroringOrganization,
  wanted: OrganizationMirrorChange,
): Promise<string[]> {
  const before = await requireOrganizationMirror(deps, organization);
  const hasUsername = before.source.sealedUsername !== null;
  const change = withTokenName(wanted, before.product, hasUsername);
  checkOrganizationMirror(change, { ...before, verifyTls: before.source.verifyTls, hasUsername });
  const robotId = change.robotName === undefined
    ? undefined
    : await findMirrorRobot(deps, { namespace: organization.username }, change.robotName);
  const isMoved = change.registryUrl !== undefined || change.namespace !== undefined;
  const prefix = referencePrefix({
    registryUrl: change.registryUrl ?? before.registryUrl,
    namespace: change.namespace ?? before.namespace,
  });
  const warnings = await checkHosts(deps, {
    proxy: change.proxy,
    ...(isMoved && { reference: `${prefix}x` }),
  });
  await deps.sql.begin(async (tx) => {
    const row = await lockOrganizationMirror(tx, organization.id);
    if (row === undefined) throw none();
    const { id } = row;
    const { enabled, ...settings } = {
      ...sharedColumns(deps, row, change),
      ...(robotId === undefined ? {} : { robotId }),
    };
    const { architecturesJson: _own, ...shared } = settings;
    const nowMs = deps.now();
    const enabling = enabled === undefined ? {} : { enabled };
    await updateOrganizationMirror(tx, id, { ...shared, ...enabling, ...ownColumns(change) }, nowMs);
    if (isMoved || Object.keys(settings).length > 0) {
      await updateMirrors(tx, repositoriesOf(tx, id), settings, { nowMs, keepsRun: false });
    }
    // What rests stays at rest.
    if (enabled !== undefined) {
      await updateMirrors(tx, followedOf(tx, id), { enabled }, { nowMs, keepsRun: false });
    }
    if (isMoved) await updateReferences(tx, id, prefix);
    if (robotId !== undefined) await letWriteToAll(tx, id, robotId);
    await logOrganizationMirror({ ...deps, sql: tx }, actor, organization, "org_mirror_config_changed", {
      updated_fields: changedFields(wanted),
    });
  });
  return warnings;
}

/**
 * Ends the mirror: its repositories stay, with all that is in them, as normal ones.
 * @param organization opened by the caller with {@link openForOrganizationMirroring}
 * @throws {AppError} `not_found`
 */
export async function removeOrganizationMirror(
  deps: Pick<Deps, "sql" | "config" | "now" | "changes">,
  actor: Actor,
  organization: MirroringOrganization,
): Promise<void> {
  const freed = await deps.sql.begin(async (tx) => {
    const { id } = await lockMirrorOf(tx, organization);
    const ids = await freeRepositories(tx, id);
    await deleteOrganizationMirror(tx, id);
    await logOrganizationMirror({ ...deps, sql: tx }, actor, organization, "org_mirror_disabled", {});
    return ids;
  });
  for (const id of freed) deps.changes?.changed(id);
}

/** The organization's mirror, which nobody else changes until the transaction ends. @throws {AppError} `not_found` */
export async function lockMirrorOf(tx: Sql, { id }: MirroringOrganization): Promise<OrganizationMirror> {
  const row = await lockOrganizationMirror(tx, id);
  if (row === undefined) throw none();
  return organizationMirrorOf(row);
}

function none(): AppError {
  return new AppError("not_found", "The organization follows no other registry");
}

/** @throws {AppError} `invalid_request` */
function refuseObstacles({ mirror, repositories, immutability, proxyCache }: MirrorObstacles): void {
  const why = mirror
    ? "Mirror configuration already exists for this organization"
    : repositories
    ? "Cannot create organization mirror: the organization already contains repositories, and must be empty"
    : immutability
    ? "Cannot create organization mirror: the organization has immutability policies; remove them first"
    : proxyCache
    ? "Cannot create organization mirror: the organization has a proxy cache configuration; remove it first"
    : undefined;
  if (why !== undefined) throw new AppError("invalid_request", why);
}

/** Quay's clients send a token as password, and may leave the name out that stands for one. */
function withTokenName<Change extends OrganizationMirrorChange>(
  change: Change,
  product: OrganizationMirror["product"],
  hasUsername: boolean,
): Change {
  const { username, password } = change;
  const isNameless = username === null || username === undefined && !hasUsername;
  return product === "quay" && typeof password === "string" && isNameless
    ? { ...change, username: TOKEN_USERNAME }
    : change;
}

/** As the API spells them. */
function changedFields(change: OrganizationMirrorChange): string[] {
  const names: readonly (readonly [keyof OrganizationMirrorChange, string])[] = [
    ["enabled", "is_enabled"],
    ["registryUrl", "external_registry_url"],
    ["namespace", "external_namespace"],
    ["username", "external_registry_username"],
    ["password", "external_registry_password"],
    ["verifyTls", "external_registry_config"],
    ["proxy", "external_registry_config"],
    ["filters", "repository_filters"],
    ["robotName", "robot_username"],
    ["visibility", "visibility"],
    ["intervalS", "sync_interval"],
    ["startMs", "sync_start_date"],
    ["timeoutS", "skopeo_timeout"],
    ["architectures", "architecture_filter"],
  ];
  return [...new Set(names.filter(([key]) => change[key] !== undefined).map(([, name]) => name))];
}

/** Writes into the organization's action log. */
export async function logOrganizationMirror(
  deps: Pick<Deps, "config" | "now"> & { readonly sql: Sql },
  actor: Actor,
  { id: namespaceId, username: namespace }: MirroringOrganization,
  kind: LogKind,
  metadata: Record<string, unknown>,
): Promise<void> {
  await logAction(deps, actor, { kind, namespaceId, metadata: { ...metadata, namespace } });
}

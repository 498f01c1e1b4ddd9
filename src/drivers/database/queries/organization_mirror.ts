import type { Sql } from "../postgres.ts";
import type { MirrorSettingsRow } from "./mirror.ts";
import type { Visibility } from "./repository.ts";
import {
  askedSync,
  cancelledSync,
  claimSync,
  type HeldSync,
  isDue,
  msOf,
  releaseSync,
  rereadSync,
  type SyncClaim,
  type SyncEnd,
  timeOf,
} from "./sync.ts";

/** `external_registry_type`. */
export const REGISTRY_TYPE = { harbor: 1, quay: 2 } as const;

/** A row of `orgmirrorconfig` with its organization and robot, as stored. */
export interface OrganizationMirrorRow {
  readonly id: number;
  readonly organizationId: number;
  readonly organization: string;
  readonly createdMs: number;
  readonly enabled: boolean;
  readonly registryType: number;
  readonly registryUrl: string;
  readonly namespace: string;
  readonly sealedUsername: string | null;
  readonly sealedPassword: string | null;
  /** Quay's `external_registry_config`, JSON. */
  readonly registryConfigJson: string;
  readonly robotId: number;
  readonly robotName: string;
  /** A JSON list of globs. */
  readonly filtersJson: string;
  readonly visibility: Visibility;
  readonly intervalS: number;
  readonly startMs: number | null;
  readonly expirationMs: number | null;
  readonly retriesRemaining: number;
  readonly status: number;
  readonly transactionId: string | null;
  readonly timeoutS: number;
  /** A JSON list. */
  readonly architecturesJson: string;
  readonly repositoriesAsked: boolean;
  readonly statusMessage: string | null;
}

const rows = (sql: Sql) =>
  sql<OrganizationMirrorRow[]>`
  select c.id, c.organization_id as "organizationId", n.username as organization,
    ${msOf(sql, sql`c.creation_date`)} as "createdMs", c.is_enabled as enabled,
    c.external_registry_type as "registryType", c.external_registry_url as "registryUrl",
    c.external_namespace as namespace, c.external_registry_username as "sealedUsername",
    c.external_registry_password as "sealedPassword", c.external_registry_config as "registryConfigJson",
    c.internal_robot_id as "robotId", robot.username as "robotName", c.repository_filters as "filtersJson",
    v.name as visibility, c.sync_interval as "intervalS", ${msOf(sql, sql`c.sync_start_date`)} as "startMs",
    ${
    msOf(sql, sql`c.sync_expiration_date`)
  } as "expirationMs", c.sync_retries_remaining as "retriesRemaining",
    c.sync_status as status, c.sync_transaction_id as "transactionId", c.skopeo_timeout as "timeoutS",
    c.architecture_filter as "architecturesJson", c.repositories_asked as "repositoriesAsked",
    c.status_message as "statusMessage"
  from orgmirrorconfig c join "user" n on n.id = c.organization_id
  join "user" robot on robot.id = c.internal_robot_id join visibility v on v.id = c.visibility_id`;

export async function selectOrganizationMirror(
  sql: Sql,
  organizationId: number,
): Promise<OrganizationMirrorRow | undefined> {
  const [row] = await sql<OrganizationMirrorRow[]>`${rows(sql)} where c.organization_id = ${organizationId}`;
  return row;
}

export async function selectOrganizationMirrorById(
  sql: Sql,
  id: number,
): Promise<OrganizationMirrorRow | undefined> {
  const [row] = await sql<OrganizationMirrorRow[]>`${rows(sql)} where c.id = ${id}`;
  return row;
}

/** The mirror of an organization, held until the transaction ends. */
export async function lockOrganizationMirror(
  sql: Sql,
  organizationId: number,
): Promise<OrganizationMirrorRow | undefined> {
  const [row] = await sql<OrganizationMirrorRow[]>`
    ${rows(sql)} where c.organization_id = ${organizationId} for update of c`;
  return row;
}

/** Nothing can be created in the organization until the transaction ends. */
export async function lockOrganization(sql: Sql, organizationId: number): Promise<void> {
  await sql`select from "user" where id = ${organizationId} for update`;
}

/** What an organization has that lets it follow no other. */
export interface MirrorObstacles {
  readonly repositories: boolean;
  readonly immutability: boolean;
  readonly proxyCache: boolean;
  readonly mirror: boolean;
}

export async function selectMirrorObstacles(sql: Sql, organizationId: number): Promise<MirrorObstacles> {
  const [row] = await sql<MirrorObstacles[]>`
    select
      exists (select from repository where namespace_user_id = ${organizationId} and state <> 3) as repositories,
      exists (select from namespaceimmutabilitypolicy where namespace_id = ${organizationId}) as immutability,
      exists (select from proxycacheconfig where organization_id = ${organizationId}) as "proxyCache",
      exists (select from orgmirrorconfig where organization_id = ${organizationId}) as mirror`;
  return row ?? { repositories: false, immutability: false, proxyCache: false, mirror: false };
}

/** Whether the namespace follows another: then nobody else creates in it. */
export async function isMirroredNamespace(sql: Sql, namespaceId: number): Promise<boolean> {
  const [row] = await sql<{ mirrored: boolean }[]>`
    select exists (select from orgmirrorconfig where organization_id = ${namespaceId}) as mirrored`;
  return row?.mirrored === true;
}

/** What people set of an organization's mirror, as stored. */
export interface OrganizationMirrorSettingsRow extends
  Pick<
    MirrorSettingsRow,
    | "robotId"
    | "enabled"
    | "sealedUsername"
    | "sealedPassword"
    | "registryConfigJson"
    | "intervalS"
    | "startMs"
    | "timeoutS"
  > {
  readonly registryUrl: string;
  readonly namespace: string;
  readonly filtersJson: string;
  readonly visibility: Visibility;
  readonly architecturesJson: string;
}

export async function insertOrganizationMirror(
  sql: Sql,
  { organizationId, registryType, ...row }: OrganizationMirrorSettingsRow & {
    organizationId: number;
    registryType: number;
  },
): Promise<void> {
  await sql`
    insert into orgmirrorconfig (organization_id, is_enabled, external_registry_type, external_registry_url,
      external_namespace, external_registry_username, external_registry_password, external_registry_config,
      internal_robot_id, repository_filters, visibility_id, sync_interval, sync_start_date, skopeo_timeout,
      architecture_filter)
    values (${organizationId}, ${row.enabled}, ${registryType}, ${row.registryUrl}, ${row.namespace},
      ${row.sealedUsername}, ${row.sealedPassword}, ${row.registryConfigJson}, ${row.robotId}, ${row.filtersJson},
      (select id from visibility where name = ${row.visibility}), ${row.intervalS}, ${
    timeOf(sql, row.startMs)
  },
      ${row.timeoutS}, ${row.architecturesJson})`;
}

/** Sets what is given. A discovery that is under way begins anew in a moment, unless the mirror is disabled. */
export async function updateOrganizationMirror(
  sql: Sql,
  id: number,
  set: Partial<OrganizationMirrorSettingsRow>,
  nowMs: number,
): Promise<void> {
  const columns = {
    mirror_type: 1,
    ...(set.robotId !== undefined && { internal_robot_id: set.robotId }),
    ...(set.enabled !== undefined && { is_enabled: set.enabled }),
    ...(set.registryUrl !== undefined && { external_registry_url: set.registryUrl }),
    ...(set.namespace !== undefined && { external_namespace: set.namespace }),
    ...(set.sealedUsername !== undefined && { external_registry_username: set.sealedUsername }),
    ...(set.sealedPassword !== undefined && { external_registry_password: set.sealedPassword }),
    ...(set.registryConfigJson !== undefined && { external_registry_config: set.registryConfigJson }),
    ...(set.filtersJson !== undefined && { repository_filters: set.filtersJson }),
    ...(set.architecturesJson !== undefined && { architecture_filter: set.architecturesJson }),
    ...(set.intervalS !== undefined && { sync_interval: set.intervalS }),
    ...(set.timeoutS !== undefined && { skopeo_timeout: set.timeoutS }),
  };
  const visibility = set.visibility === undefined
    ? sql`visibility_id`
    : sql`(select id from visibility where name = ${set.visibility})`;
  const start = set.startMs === undefined ? sql`sync_start_date` : timeOf(sql, set.startMs);
  await sql`
    update orgmirrorconfig set ${sql(columns)}, visibility_id = ${visibility}, sync_start_date = ${start},
      ${rereadSync(sql, { nowMs, keeps: false, disables: set.enabled === false })}
    where id = ${id}`;
}

export async function deleteOrganizationMirror(sql: Sql, id: number): Promise<void> {
  await sql`delete from orgmirrorconfig where id = ${id}`;
}

/** Takes one mirror to be looked after: {@link claimSync}. */
export async function claimOrganizationMirror(sql: Sql, claim: SyncClaim): Promise<number | undefined> {
  const joined = sql`join "user" n on n.id = c.organization_id`;
  return await claimSync(sql, { table: "orgmirrorconfig", joined, free: sql`n.enabled` }, claim);
}

/** Keeps the claim from being taken away or ended until the transaction ends. @returns whether it still holds */
export async function holdOrganizationMirror(sql: Sql, { id, transactionId }: HeldSync): Promise<boolean> {
  const held = await sql`
    select from orgmirrorconfig
    where id = ${id} and sync_transaction_id = ${transactionId} and sync_status = 2 for share`;
  return held.length > 0;
}

/** Ends a discovery. After one that succeeded, what was asked for has been passed on. */
export async function releaseOrganizationMirror(
  sql: Sql,
  held: HeldSync,
  end: SyncEnd,
  { message, passedOn }: { message: string; passedOn: boolean },
): Promise<boolean> {
  const also =
    sql`, status_message = ${message}, repositories_asked = repositories_asked and not ${passedOn}`;
  return await releaseSync(sql, "orgmirrorconfig", held, end, also);
}

/** Queues a discovery, after which all repositories run. @returns false while one is under way */
export async function requestOrganizationSync(sql: Sql, id: number): Promise<boolean> {
  const { count } = await sql`
    update orgmirrorconfig set ${
    askedSync(sql)
  }, repositories_asked = true where id = ${id} and sync_status <> 2`;
  return count > 0;
}

/** Ends a discovery or the wait for one; none starts before somebody asks. */
export async function cancelOrganizationSync(sql: Sql, id: number): Promise<void> {
  await sql`
    update orgmirrorconfig set ${cancelledSync(sql)}, repositories_asked = false where id = ${id}`;
}

/** Mirrors of organizations whose turn for a discovery has come and that nobody works on. */
export async function countDueOrganizationMirrors(sql: Sql, nowMs: number): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*) as count from orgmirrorconfig c where ${isDue(sql, nowMs)}`;
  return row?.count ?? 0;
}

/** All of them, and those that are enabled. */
export async function countOrganizationMirrors(sql: Sql): Promise<{ all: number; enabled: number }> {
  const [row] = await sql<{ all: number; enabled: number }[]>`
    select count(*) as all, count(*) filter (where is_enabled) as enabled from orgmirrorconfig`;
  return row ?? { all: 0, enabled: 0 };
}

/** Mirrors of organizations that push as one of the robots end with it (their namespace is going away). */
export async function deleteOrganizationMirrorsOfRobots(
  sql: Sql,
  robotIds: readonly number[],
): Promise<void> {
  await sql`delete from orgmirrorconfig where internal_robot_id = any(${[...robotIds]}::integer[])`;
}

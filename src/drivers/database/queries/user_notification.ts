import type { Sql } from "../postgres.ts";

/** What a person can be told of in the application: Quay's `notificationkind`. */
export type NotificationKind =
  | "repo_push"
  | "build_queued"
  | "build_start"
  | "build_success"
  | "build_cancelled"
  | "build_failure"
  | "vulnerability_found"
  | "service_key_submitted"
  | "password_required"
  | "over_private_usage"
  | "expiring_license"
  | "maintenance"
  | "org_team_invite"
  | "repo_mirror_sync_started"
  | "repo_mirror_sync_success"
  | "repo_mirror_sync_failed"
  | "test_notification"
  | "quota_warning"
  | "quota_error"
  | "assigned_authorization"
  | "repo_image_expiry"
  | "storage_damaged";

export interface NewUserNotification {
  readonly kind: NotificationKind;
  /** People, or organizations, whose administrators see it. */
  readonly targetIds: readonly number[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly nowMs: number;
  /** Finds it again, such as by what it is about; at most 255 characters. */
  readonly lookupPath?: string | undefined;
}

export async function insertUserNotifications(sql: Sql, row: NewUserNotification): Promise<void> {
  await sql`
    insert into notification (uuid, kind_id, target_id, metadata_json, created, lookup_path)
    select gen_random_uuid()::text, kind.id, target.id, ${JSON.stringify(row.metadata)},
      to_timestamp(${row.nowMs / 1000}) at time zone 'utc', ${row.lookupPath ?? null}
    from notificationkind kind, unnest(${[
    ...row.targetIds,
  ]}::integer[]) target (id) where kind.name = ${row.kind}`;
}

/** As {@link insertUserNotifications}, for those who have none of that kind that is not dismissed. */
export async function insertMissingUserNotifications(sql: Sql, row: NewUserNotification): Promise<void> {
  await sql`
    insert into notification (uuid, kind_id, target_id, metadata_json, created, lookup_path)
    select gen_random_uuid()::text, kind.id, target.id, ${JSON.stringify(row.metadata)},
      to_timestamp(${row.nowMs / 1000}) at time zone 'utc', ${row.lookupPath ?? null}
    from notificationkind kind, unnest(${[...row.targetIds]}::integer[]) target (id)
    where kind.name = ${row.kind} and not exists (
      select from notification n where n.target_id = target.id and n.kind_id = kind.id and not n.dismissed)`;
}

/** @param row.matching only those whose metadata has these fields @returns how many went */
export async function deleteUserNotifications(
  sql: Sql,
  row: { kind: NotificationKind; targetId: number; matching: Readonly<Record<string, unknown>> },
): Promise<number> {
  const result = await sql`
    delete from notification n using notificationkind kind
    where kind.id = n.kind_id and kind.name = ${row.kind} and n.target_id = ${row.targetId}
      and n.metadata_json::jsonb @> ${JSON.stringify(row.matching)}::text::jsonb`;
  return result.count;
}

export interface UserNotificationRow {
  readonly uuid: string;
  readonly kind: string;
  /** The organization that it is for; null: the person. */
  readonly organization: string | null;
  /** Epoch milliseconds. */
  readonly createdMs: number;
  /** JSON. */
  readonly metadata: string;
  readonly dismissed: boolean;
}

const columns = (sql: Sql) =>
  sql`
  n.uuid, kind.name as kind, case when u.organization then u.username end as organization,
  (extract(epoch from n.created) * 1000)::float8 as "createdMs", n.metadata_json as metadata, n.dismissed`;

/** Accounts whose messages the person sees: the own, and the organizations in whose admin teams the person is. */
const targetsOf = (sql: Sql, userId: number) =>
  sql`
  (select ${userId}::integer as id union select t.organization_id from teammember m join team t on t.id = m.team_id
    join teamrole on teamrole.id = t.role_id where m.user_id = ${userId} and teamrole.name = 'admin')`;

/** What the person has not dismissed, the youngest first. Of each target no more is read than the page can need. */
export function selectUndismissedNotifications(
  sql: Sql,
  userId: number,
  { offset, limit }: { offset: number; limit: number },
): Promise<UserNotificationRow[]> {
  return sql<UserNotificationRow[]>`
    select ${columns(sql)}
    from (
      select mine.* from ${targetsOf(sql, userId)} target cross join lateral (
        select * from notification n where n.target_id = target.id and not n.dismissed
        order by n.created desc, n.id desc limit ${offset + limit}) mine
      order by mine.created desc, mine.id desc offset ${offset} limit ${limit}
    ) n join notificationkind kind on kind.id = n.kind_id join "user" u on u.id = n.target_id
    order by n.created desc, n.id desc`;
}

/** One of the person's, dismissed or not. */
export async function selectUserNotification(
  sql: Sql,
  userId: number,
  uuid: string,
): Promise<UserNotificationRow | undefined> {
  const [row] = await sql<UserNotificationRow[]>`
    select ${columns(sql)}
    from notification n join notificationkind kind on kind.id = n.kind_id join "user" u on u.id = n.target_id
    where n.uuid = ${uuid} and n.target_id in (select id from ${targetsOf(sql, userId)} target)`;
  return row;
}

/** @returns whether it is one of the person's */
export async function updateUserNotification(
  sql: Sql,
  userId: number,
  uuid: string,
  dismissed: boolean,
): Promise<boolean> {
  const result = await sql`
    update notification n set dismissed = ${dismissed}
    where n.uuid = ${uuid} and n.target_id in (select id from ${targetsOf(sql, userId)} target)`;
  return result.count > 0;
}

/** Whoever they are for. */
export async function deleteUserNotificationsAt(sql: Sql, lookupPaths: readonly string[]): Promise<void> {
  if (lookupPaths.length === 0) return;
  await sql`delete from notification where lookup_path = any(${[...lookupPaths]}::varchar[])`;
}

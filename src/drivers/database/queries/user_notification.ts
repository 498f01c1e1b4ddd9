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
  | "repo_image_expiry";

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

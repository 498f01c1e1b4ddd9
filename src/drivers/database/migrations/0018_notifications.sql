-- Ours: what somebody has not dismissed, the youngest first; tags of a repository by when they end.
create index notification_undismissed on notification (target_id, created desc, id desc) where not dismissed;
create index tag_repository_id_lifetime_end_ms on tag (repository_id, lifetime_end_ms)
  where lifetime_end_ms is not null and not hidden;
-- A tag is told of once by each notification.
create unique index tagnotificationsuccess_notification_id_tag_id on tagnotificationsuccess (notification_id, tag_id);
drop index tagnotificationsuccess_notification_id;

-- Ours: what somebody has not dismissed, the youngest first.
create index notification_undismissed on notification (target_id, created desc, id desc) where not dismissed;
-- A tag is told of once by each notification.
create unique index tagnotificationsuccess_notification_id_tag_id on tagnotificationsuccess (notification_id, tag_id);
drop index tagnotificationsuccess_notification_id;

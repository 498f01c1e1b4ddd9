-- Ours: a queue is the first part of queueitem.queue_name. Whoever takes from it finds what has been due the longest in
-- this index alone, whatever else waits; items that nobody is to try any more are few.
create index queueitem_due on queueitem ((split_part(queue_name, '/', 1)), available_after, id)
  where retries_remaining > 0;
create index queueitem_spent on queueitem ((split_part(queue_name, '/', 1))) where retries_remaining <= 0;

-- Quay knows the event, but has no such message in the application.
insert into notificationkind (id, name) overriding system value
select max(id) + 1, 'repo_image_expiry' from notificationkind on conflict (name) do nothing;
select setval(pg_get_serial_sequence('notificationkind', 'id'), (select max(id) from notificationkind));

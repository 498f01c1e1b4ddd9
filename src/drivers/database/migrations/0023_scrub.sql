-- Ours, beyond Quay's columns: when a copy of a blob was last read and compared with its digest (a push does so, too),
-- and until when somebody is doing it.
alter table imagestorageplacement
  add column checked_at timestamp not null default (now() at time zone 'utc'),
  add column check_lease timestamp;
create index imagestorageplacement_checked_at on imagestorageplacement (checked_at);

-- Tells superusers of damage that could not be mended.
insert into notificationkind (id, name) overriding system value
select max(id) + 1, 'storage_damaged' from notificationkind on conflict (name) do nothing;
select setval(pg_get_serial_sequence('notificationkind', 'id'), (select max(id) from notificationkind));

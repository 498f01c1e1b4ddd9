-- Later Quay's columns, and ours: rules beyond globs, limits of the link.
alter table repomirrorconfig
  add column skopeo_timeout integer not null default 300,
  add column architecture_filter text,
  add column rules text not null default '{}',
  add column limits text not null default '{}';
-- Candidates are found here, however many mirrors wait for their turn.
create index repomirrorconfig_due on repomirrorconfig (sync_start_date)
  where is_enabled and sync_retries_remaining > 0 and sync_expiration_date is null and sync_status not in (2, -2);
create index repomirrorconfig_claimed on repomirrorconfig (sync_expiration_date) where sync_status = 2;
-- What people see of a mirror's run, also of the last one.
create table repomirrorprogress (
  repository_id integer primary key references repository (id) on delete cascade,
  progress text not null,
  updated_ms bigint not null,
  -- When the referrers of unchanged images were asked for last; and whether the other side has that API at all.
  referrers_checked_ms bigint
);

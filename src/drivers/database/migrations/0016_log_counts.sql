-- How many rows of the action log each day has, by kind: for a namespace (scope 'n'), a repository ('r') and the whole
-- site ('s', owner 0); with performer_id 0 for all performers, else for that one. Counted are the rows of logentry3 older
-- than logcounted.until_time; the younger ones are few and counted when they are asked for.
create table logdailycount (
  scope "char" not null,
  owner_id integer not null,
  performer_id integer not null,
  day date not null,
  kind_id integer not null,
  count bigint not null,
  primary key (scope, owner_id, performer_id, day, kind_id)
);

create table logcounted (
  id integer primary key default 1 check (id = 1),
  until_time timestamp not null
);
insert into logcounted (until_time)
select coalesce((select min(datetime) from logentry3), now() at time zone 'utc' - interval '1 day');

-- Rows that are on their way to the archive: at most one batch of a table at a time. The batch stays until its rows are
-- deleted: who takes over from a node that died writes the same file again.
create table logarchivebatch (
  table_name varchar(16) primary key,
  file varchar(255) not null,
  row_ids bigint[] not null,
  holder uuid not null,
  expires timestamp not null
);

-- Which blobs the sizes of quotas have counted: a repository holds a blob once, however many of its manifests name it,
-- and so does a namespace. A row here is worth the blob's size in quotarepositorysize, and, as the first of its
-- namespace, in quotanamespacesize. Rows are made by whoever stores a manifest, and by the backfill.
create table quotablob (
  repository_id integer not null references repository (id) on delete cascade,
  blob_id integer not null references imagestorage (id) on delete cascade,
  namespace_user_id integer not null references "user" (id) on delete cascade,
  size_bytes bigint not null,
  primary key (repository_id, blob_id)
);
create index quotablob_namespace_user_id_blob_id on quotablob (namespace_user_id, blob_id);
create index quotablob_blob_id_repository_id on quotablob (blob_id, repository_id);

-- Manifests go in several ways (collection, cascades, an operator's SQL): none of them can forget to lower the sizes.
-- The namespace's row is the lock that counting and this take first; what is looked at later, in a new statement, is what
-- a push that was faster has committed. A push that brings nothing new locks only the rows that it relies on.
create function quotablob_release() returns trigger language plpgsql as $$
begin
  perform from quotanamespacesize s
    where s.namespace_user_id in (
      select r.namespace_user_id from repository r where r.id in (select repository_id from gone))
    order by s.namespace_user_id for update;
  if not found then return null; end if;
  perform from quotablob q
    where (q.repository_id, q.blob_id) in (select repository_id, blob_id from gone)
    order by q.repository_id, q.blob_id for update;
  delete from quotablob q
    where (q.repository_id, q.blob_id) in (select repository_id, blob_id from gone)
      and not exists (select from manifestblob b where b.repository_id = q.repository_id and b.blob_id = q.blob_id);
  return null;
end $$;
create trigger manifestblob_quota after delete on manifestblob
  referencing old table as gone for each statement execute function quotablob_release();

create function quotablob_uncount() returns trigger language plpgsql as $$
begin
  if not exists (select from gone) then return null; end if;
  perform from quotanamespacesize s where s.namespace_user_id in (select namespace_user_id from gone)
    order by s.namespace_user_id for update;
  update quotarepositorysize s set size_bytes = greatest(0, s.size_bytes - g.bytes)
    from (select repository_id, sum(size_bytes)::bigint as bytes from gone group by repository_id) g
    where s.repository_id = g.repository_id;
  update quotanamespacesize s set size_bytes = greatest(0, s.size_bytes - g.bytes)
    from (
      select namespace_user_id, sum(size_bytes)::bigint as bytes from (
        select distinct namespace_user_id, blob_id, size_bytes from gone
      ) d
      where not exists (
        select from quotablob q where q.namespace_user_id = d.namespace_user_id and q.blob_id = d.blob_id)
      group by namespace_user_id
    ) g
    where s.namespace_user_id = g.namespace_user_id;
  return null;
end $$;
create trigger quotablob_uncount after delete on quotablob
  referencing old table as gone for each statement execute function quotablob_uncount();

create index quotanamespacesize_waiting on quotanamespacesize (namespace_user_id) where not backfill_complete;

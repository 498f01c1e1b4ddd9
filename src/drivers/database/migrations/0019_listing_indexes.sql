-- The public repositories of a namespace by name: what strangers are shown of it, page by page.
drop index repository_namespace_user_id_visibility_id;
create index repository_namespace_user_id_visibility_id on repository (namespace_user_id, visibility_id, name)
  where state <> 3;

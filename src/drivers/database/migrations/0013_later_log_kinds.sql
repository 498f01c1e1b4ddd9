-- Kinds of the action log that came after 3.13. Where they have other ids in Quay, only their names mean something.
insert into logentrykind (id, name) overriding system value values
  (121, 'org_create_quota'), (122, 'org_change_quota'), (123, 'org_delete_quota'), (124, 'org_create_quota_limit'),
  (125, 'org_change_quota_limit'), (126, 'org_delete_quota_limit'), (127, 'org_mirror_enabled'),
  (128, 'org_mirror_disabled'), (129, 'org_mirror_config_changed'), (130, 'org_mirror_sync_started'),
  (131, 'org_mirror_sync_failed'), (132, 'org_mirror_sync_success'), (133, 'org_mirror_sync_now_requested'),
  (134, 'org_mirror_sync_cancelled'), (135, 'org_mirror_repo_created'), (136, 'org_mirror_repo_creation_failed'),
  (137, 'create_immutability_policy'), (138, 'update_immutability_policy'), (139, 'delete_immutability_policy'),
  (140, 'tag_made_immutable_by_policy'), (141, 'tags_made_immutable_by_policy'), (142, 'create_oauth_api_token'),
  (143, 'revoke_oauth_api_token'), (144, 'create_namespace_notification'), (145, 'delete_namespace_notification'),
  (146, 'reset_namespace_notification');
select setval(pg_get_serial_sequence('logentrykind', 'id'), 146);

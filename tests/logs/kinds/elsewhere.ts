import type { LogKind } from "../../../src/domain/logs/log_kinds.ts";

/** Kinds whose actions need a world of their own: the test that performs the action and looks at its row. */
export const ELSEWHERE: Partial<Record<LogKind, string>> = {
  oauth_token_assigned: "oauth/assignments_test.ts",
  oauth_token_revoked: "oauth/assignments_test.ts",
  federated_robot_token_exchange: "oauth/federation_test.ts",
  service_key_rotate: "oauth/key_server_test.ts",
  org_create_quota: "superuser/quota_test.ts",
  org_change_quota: "superuser/quota_test.ts",
  org_delete_quota: "superuser/quota_test.ts",
  org_create_quota_limit: "superuser/quota_test.ts",
  org_change_quota_limit: "superuser/quota_test.ts",
  org_delete_quota_limit: "superuser/quota_test.ts",
  create_namespace_autoprune_policy: "api/autoprune_policies_test.ts",
  update_namespace_autoprune_policy: "api/autoprune_policies_test.ts",
  delete_namespace_autoprune_policy: "api/autoprune_policies_test.ts",
  create_repository_autoprune_policy: "api/autoprune_policies_test.ts",
  update_repository_autoprune_policy: "api/autoprune_policies_test.ts",
  delete_repository_autoprune_policy: "api/autoprune_policies_test.ts",
  create_proxy_cache_config: "api/proxy_cache_test.ts",
  delete_proxy_cache_config: "api/proxy_cache_test.ts",
  repo_mirror_sync_started: "mirror/log_test.ts",
  repo_mirror_sync_failed: "mirror/log_test.ts",
  repo_mirror_sync_success: "mirror/log_test.ts",
  repo_mirror_sync_tag_success: "mirror/log_test.ts",
  repo_mirror_sync_tag_failed: "mirror/log_test.ts",
};

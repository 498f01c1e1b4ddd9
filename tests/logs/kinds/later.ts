import type { LogKind } from "../../../src/domain/logs/log_kinds.ts";

/** Kinds whose actions are not there yet, and what they come with. Whoever builds one takes its kinds from here. */
export const LATER: Partial<Record<LogKind, string>> = {
  org_mirror_enabled: "with room mirror",
  org_mirror_disabled: "with room mirror",
  org_mirror_config_changed: "with room mirror",
  org_mirror_sync_started: "with room mirror",
  org_mirror_sync_failed: "with room mirror",
  org_mirror_sync_success: "with room mirror",
  org_mirror_sync_now_requested: "with room mirror",
  org_mirror_sync_cancelled: "with room mirror",
  org_mirror_repo_created: "with room mirror",
  org_mirror_repo_creation_failed: "with room mirror",
  autoprune_tag_delete: "with auto-pruning",
  tags_made_immutable_by_policy: "with immutability policies that look back: ours look at new tags only",
  create_namespace_notification: "with namespace notifications",
  delete_namespace_notification: "with namespace notifications",
  reset_namespace_notification: "with namespace notifications",
};

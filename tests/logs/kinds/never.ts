import type { LogKind } from "../../../src/domain/logs/log_kinds.ts";

const BUILDS = "never fires because Quaylet does not build images";
const PLANS = "never fires because there is nothing to pay for: no plans, no credit cards";
const TOKENS = "never fires because repository access tokens are gone (api.md §7: 410)";
const WEBHOOKS = "never fires because webhooks are notifications since long: add_repo_notification";
const UNUSED = "never fires because Quay has the kind and never writes it either (mirror.md §8)";

/** Kinds that nothing writes, each with the reason. */
export const NEVER: Partial<Record<LogKind, string>> = {
  account_change_cc: PLANS,
  account_change_plan: PLANS,
  build_dockerfile: BUILDS,
  setup_repo_trigger: BUILDS,
  delete_repo_trigger: BUILDS,
  toggle_repo_trigger: BUILDS,
  start_build_trigger: BUILDS,
  cancel_build: BUILDS,
  add_repo_accesstoken: TOKENS,
  delete_repo_accesstoken: TOKENS,
  add_repo_webhook: WEBHOOKS,
  delete_repo_webhook: WEBHOOKS,
  add_repo_permission: "never fires because giving a permission is change_repo_permission, in Quay too",
  repo_verb: "never fires because the verbs of Quay 2 (squash, torrent) are gone",
  change_repo_trust: "never fires because signatures are pushed beside images: FEATURE_SIGNING is not needed",
  repo_mirror_enabled: UNUSED,
  repo_mirror_disabled: UNUSED,
  repo_mirror_sync_now_requested: UNUSED,
  repo_mirror_sync_test_success: UNUSED,
  repo_mirror_sync_test_failed: UNUSED,
  repo_mirror_sync_test_started: UNUSED,
};

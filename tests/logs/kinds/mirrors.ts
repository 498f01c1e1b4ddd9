/** What people do with mirrors. What mirrors do by themselves is in `elsewhere.ts`. */
import { byAlice, type Writings } from "./written.ts";

export const mirrorKinds: Writings = {
  repo_mirror_config_changed: byAlice({ account: "acme", repository: "app" })(
    { repo: "app", namespace: "acme", changed: "external_registry_password", to: "********" },
    [201, "PUT", "/organization/acme/robots/mirror", {}],
    [201, "POST", "/repository/acme/app/mirror", {
      external_reference: "1.1.1.1/library/app",
      sync_interval: 3600,
      sync_start_date: "2026-11-24T02:00:00Z",
      root_rule: { rule_kind: "tag_glob_csv", rule_value: ["*"] },
      robot_username: "acme+mirror",
    }],
    [201, "PUT", "/repository/acme/app/mirror", {
      external_registry_username: "pull",
      external_registry_password: "secret",
    }],
  ),
};

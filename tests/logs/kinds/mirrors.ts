/** What people do with mirrors. What mirrors do by themselves is in `elsewhere.ts`. */
import { byAlice, type Writings } from "./written.ts";

const inEdge = byAlice({ account: "edge", repository: null });
const MIRROR = "/organization/edge/mirror";
const SETTINGS = {
  external_registry_type: "quay",
  external_registry_url: "https://1.1.1.1",
  external_namespace: "base",
  robot_username: "edge+mirror",
  visibility: "private",
  sync_interval: 3600,
  sync_start_date: "2026-11-24T02:00:00Z",
};
/** An organization without repositories, with a robot, that follows another registry. */
const FOLLOWS: [number, string, string, unknown][] = [
  [201, "POST", "/organization/", { name: "edge" }],
  [201, "PUT", "/organization/edge/robots/mirror", {}],
  [201, "POST", MIRROR, SETTINGS],
];

export const mirrorKinds: Writings = {
  org_mirror_enabled: inEdge({
    namespace: "edge",
    external_registry_type: "quay",
    external_registry_url: "https://1.1.1.1",
    external_namespace: "base",
  }, ...FOLLOWS),
  org_mirror_config_changed: inEdge(
    { namespace: "edge", updated_fields: ["is_enabled", "external_registry_password"] },
    ...FOLLOWS,
    [200, "PUT", MIRROR, { is_enabled: false, external_registry_password: "secret" }],
  ),
  org_mirror_sync_now_requested: inEdge({ namespace: "edge" }, ...FOLLOWS, [
    204,
    "POST",
    `${MIRROR}/sync-now`,
  ]),
  org_mirror_sync_cancelled: inEdge(
    { namespace: "edge" },
    ...FOLLOWS,
    [204, "POST", `${MIRROR}/sync-now`],
    [204, "POST", `${MIRROR}/sync-cancel`],
  ),
  org_mirror_disabled: inEdge({ namespace: "edge" }, ...FOLLOWS, [204, "DELETE", MIRROR]),
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

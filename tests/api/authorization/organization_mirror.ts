import type { Resource } from "./rules.ts";

const FEATURE = { features: ["FEATURE_ORG_MIRROR"] };
/** No organization of the world has one: whoever may ask is told so. What these do is in `tests/org_mirror/`. */
const changing = { ...FEATURE, who: "A SUF", ok: 404 };
const reading = { ...changing, who: "A SUF GRO" };

const MIRROR = "/organization/{orgname}/mirror";

export const organizationMirrors: Resource = {
  routes: {
    [`GET ${MIRROR}`]: reading,
    [`GET ${MIRROR}/repositories`]: reading,
    // The robot is none of theirs, and they have repositories.
    [`POST ${MIRROR}`]: {
      ...changing,
      ok: 400,
      body: {
        external_registry_type: "quay",
        external_registry_url: "https://1.1.1.1",
        external_namespace: "base",
        robot_username: "nobody+mirror",
        visibility: "private",
        sync_interval: 3600,
        sync_start_date: "2026-11-24T02:00:00Z",
      },
    },
    [`PUT ${MIRROR}`]: { ...changing, body: { is_enabled: false } },
    [`DELETE ${MIRROR}`]: changing,
    [`POST ${MIRROR}/sync-now`]: changing,
    [`POST ${MIRROR}/sync-cancel`]: changing,
    [`POST ${MIRROR}/verify`]: changing,
  },
};

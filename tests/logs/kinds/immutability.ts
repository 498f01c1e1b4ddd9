/** What makes tags immutable, by hand and by policy. */
import { ANY_TEXT, byAlice, type Writings } from "./written.ts";

const REPOSITORY = "/repository/acme/app";
const POLICIES = "/organization/acme/immutabilitypolicy/";
const config = { FEATURE_IMMUTABLE_TAGS: true };
const IN_APP = { repo: "app", namespace: "acme" };
const POLICY = { policy_uuid: ANY_TEXT, tag_pattern: "^v", tag_pattern_matches: true, namespace: "acme" };

const byPolicy = () => ({ account: "acme", performer: "alice", metadata: POLICY });

export const immutabilityKinds: Writings = {
  change_tag_immutability: {
    ...byAlice({ account: "acme", repository: "app" })(
      ({ digests: [digest] }) => ({
        ...IN_APP,
        tag: "v1",
        username: "alice",
        manifest_digest: digest,
        immutable: true,
      }),
      [201, "PUT", `${REPOSITORY}/tag/v1`, { immutable: true }],
    ),
    config,
  },
  create_immutability_policy: {
    act: ({ alice }) => alice.expect(201, "POST", POLICIES, { tagPattern: "^v" }),
    row: byPolicy,
    config,
  },
  update_immutability_policy: {
    act: async ({ alice }) => {
      const { uuid } = await alice.expect(201, "POST", POLICIES, { tagPattern: "^old" });
      await alice.expect(204, "PUT", POLICIES + uuid, { tagPattern: "^v" });
    },
    row: byPolicy,
    config,
  },
  delete_immutability_policy: {
    act: async ({ alice }) => {
      const { uuid } = await alice.expect(201, "POST", POLICIES, { tagPattern: "^v" });
      await alice.expect(200, "DELETE", POLICIES + uuid);
    },
    row: byPolicy,
    config,
  },
  tags_made_immutable_by_policy: {
    act: ({ alice }) => alice.expect(201, "POST", `${REPOSITORY}/immutabilitypolicy/`, { tagPattern: "v1$" }),
    row: () => ({
      account: "acme",
      repository: "app",
      performer: "alice",
      metadata: { ...IN_APP, tag_pattern: "v1$", tag_pattern_matches: true, count: 1 },
    }),
    config,
  },
  tag_made_immutable_by_policy: {
    act: async ({ alice, digests: [digest] }) => {
      await alice.expect(201, "POST", `${REPOSITORY}/immutabilitypolicy/`, { tagPattern: "^new$" });
      await alice.expect(201, "PUT", `${REPOSITORY}/tag/new`, { manifest_digest: digest });
    },
    row: ({ digests: [digest] }) => ({
      account: "acme",
      repository: "app",
      performer: "alice",
      metadata: { ...IN_APP, tag: "new", username: "alice", manifest_digest: digest },
    }),
    config,
  },
};

/** Repositories and what is in them, over the API and over the registry protocol. */
import { OCI_MANIFEST } from "../../../src/oci/media_types.ts";
import type { World } from "../world.ts";
import { ANY_TEXT, byAlice, type Writings } from "./written.ts";

const REPOSITORY = "/repository/acme/app";
const TAG = `${REPOSITORY}/tag/v1`;
const IN_APP = { repo: "app", namespace: "acme" };
const ON_TAG = { ...IN_APP, tag: "v1", username: "alice" };
const onApp = byAlice({ account: "acme", repository: "app" });

/** What alice's client says. */
const CLIENT = { ...IN_APP, "user-agent": "client/1", username: "alice" };
const MANIFEST = "/v2/acme/app/manifests";

function byClient(
  metadata: Record<string, unknown>,
  method: string,
  reference: string,
  init: (world: World) => RequestInit | Promise<RequestInit> = () => ({}),
) {
  return {
    act: async (world: World) =>
      await world.registry(
        await world.actorOf("alice"),
        method,
        `${MANIFEST}/${reference}`,
        await init(world),
      ),
    row: () => ({ account: "acme", repository: "app", performer: "alice", ip: "192.0.2.7", metadata }),
  };
}

/** The image that is tagged v1, to be pushed again. */
async function pushedAgain({ deps, digests: [digest] }: World): Promise<RequestInit> {
  const [row] = await deps.sql<{ text: string }[]>`
    select manifest_bytes as text from manifest where digest = ${digest}`;
  return { body: row?.text ?? "", headers: { "content-type": OCI_MANIFEST } };
}

const tomorrowS = Math.floor(Date.now() / 1000) + 86_400;

const WEBHOOK = {
  event: "repo_push",
  method: "webhook",
  config: { url: "https://1.1.1.1/" },
  eventConfig: {},
};
const NOTIFICATION = { ...IN_APP, notification_id: ANY_TEXT, event: "repo_push", method: "webhook" };

export const contentKinds: Writings = {
  create_repo: byAlice({ account: "acme", repository: "new" })(
    { repo: "new", namespace: "acme" },
    [201, "POST", "/repository", {
      namespace: "acme",
      repository: "new",
      visibility: "private",
      description: "",
    }],
  ),
  // Its name is freed at once: the row's repository is called otherwise by then.
  delete_repo: byAlice({ account: "acme" })(IN_APP, [204, "DELETE", REPOSITORY]),
  set_repo_description: onApp(
    { ...IN_APP, description: "words" },
    [200, "PUT", REPOSITORY, { description: "words" }],
  ),
  change_repo_visibility: onApp(
    { ...IN_APP, visibility: "public" },
    [200, "POST", `${REPOSITORY}/changevisibility`, { visibility: "public" }],
  ),
  change_repo_state: onApp(
    { ...IN_APP, state_changed: "READ_ONLY" },
    [200, "PUT", `${REPOSITORY}/changestate`, { state: "READ_ONLY" }],
  ),
  change_repo_permission: onApp(
    { ...IN_APP, username: "bob", role: "write" },
    [200, "PUT", `${REPOSITORY}/permissions/user/bob`, { role: "write" }],
  ),
  delete_repo_permission: onApp(
    { ...IN_APP, team: "members" },
    [200, "PUT", `${REPOSITORY}/permissions/team/members`, { role: "read" }],
    [204, "DELETE", `${REPOSITORY}/permissions/team/members`],
  ),
  create_tag: {
    act: ({ alice, digests: [digest] }) =>
      alice.expect(201, "PUT", `${REPOSITORY}/tag/made`, { manifest_digest: digest }),
    row: ({ digests: [digest] }) => ({
      account: "acme",
      repository: "app",
      performer: "alice",
      metadata: { ...ON_TAG, tag: "made", manifest_digest: digest },
    }),
  },
  move_tag: {
    act: ({ alice, digests: [, other] }) => alice.expect(201, "PUT", TAG, { manifest_digest: other }),
    row: ({ digests: [first, other] }) => ({
      account: "acme",
      repository: "app",
      performer: "alice",
      metadata: { ...ON_TAG, manifest_digest: other, original_manifest_digest: first },
    }),
  },
  change_tag_expiration: onApp(
    ({ digests: [digest] }) => ({
      ...ON_TAG,
      manifest_digest: digest,
      expiration_date: tomorrowS,
      old_expiration_date: null,
    }),
    [201, "PUT", TAG, { expiration: tomorrowS }],
  ),
  delete_tag: onApp(ON_TAG, [204, "DELETE", TAG]),
  revert_tag: {
    act: async ({ alice, digests: [digest] }) => {
      await alice.expect(204, "DELETE", TAG);
      await alice.expect(200, "POST", `${TAG}/restore`, { manifest_digest: digest });
    },
    row: ({ digests: [digest] }) => ({
      performer: "alice",
      metadata: { ...ON_TAG, manifest_digest: digest },
    }),
  },
  permanently_delete_tag: onApp(
    ({ digests: [digest] }) => ({ ...ON_TAG, manifest_digest: digest }),
    [200, "POST", `${TAG}/expire`, { is_alive: true }],
  ),
  manifest_label_add: {
    act: ({ alice, digests: [digest] }) =>
      alice.expect(201, "POST", `${REPOSITORY}/manifest/${digest}/labels`, {
        key: "k",
        value: "v",
        media_type: null,
      }),
    row: ({ digests: [digest] }) => ({
      account: "acme",
      repository: "app",
      performer: "alice",
      metadata: {
        ...IN_APP,
        id: ANY_TEXT,
        key: "k",
        value: "v",
        media_type: "text/plain",
        manifest_digest: digest,
      },
    }),
  },
  manifest_label_delete: {
    act: async ({ alice, digests: [digest] }) => {
      const at = `${REPOSITORY}/manifest/${digest}/labels`;
      const wanted = { key: "k", value: "{}", media_type: null };
      const { label } = await alice.expect(201, "POST", at, wanted);
      await alice.expect(204, "DELETE", `${at}/${label.id}`);
    },
    row: ({ digests: [digest] }) => ({
      performer: "alice",
      metadata: {
        ...IN_APP,
        id: ANY_TEXT,
        key: "k",
        value: "{}",
        media_type: "application/json",
        manifest_digest: digest,
      },
    }),
  },
  pull_repo: byClient({ ...CLIENT, tag: "v1" }, "GET", "v1"),
  push_repo: byClient({ ...CLIENT, tag: "again" }, "PUT", "again", pushedAgain),
  pull_repo_failed: byClient(
    { ...CLIENT, tag: "nowhere", message: "manifest unknown" },
    "GET",
    "nowhere",
  ),
  push_repo_failed: byClient(
    { ...CLIENT, tag: "broken", message: ANY_TEXT },
    "PUT",
    "broken",
    () => ({ body: "{", headers: { "content-type": OCI_MANIFEST } }),
  ),
  delete_tag_failed: byClient(
    { ...CLIENT, tag: "nowhere", message: "manifest unknown" },
    "DELETE",
    "nowhere",
  ),
  add_repo_notification: onApp(NOTIFICATION, [201, "POST", `${REPOSITORY}/notification/`, WEBHOOK]),
  delete_repo_notification: {
    act: async ({ alice }) => {
      const { uuid } = await alice.expect(201, "POST", `${REPOSITORY}/notification/`, WEBHOOK);
      await alice.expect(204, "DELETE", `${REPOSITORY}/notification/${uuid}`);
    },
    row: () => ({ account: "acme", repository: "app", performer: "alice", metadata: NOTIFICATION }),
  },
  reset_repo_notification: {
    act: async ({ alice }) => {
      const { uuid } = await alice.expect(201, "POST", `${REPOSITORY}/notification/`, WEBHOOK);
      await alice.expect(204, "POST", `${REPOSITORY}/notification/${uuid}`);
    },
    row: () => ({ account: "acme", repository: "app", performer: "alice", metadata: NOTIFICATION }),
  },
};

import { expect } from "@std/testing";
import { createRobot } from "../../src/domain/accounts/robots.ts";
import { logAction } from "../../src/domain/logs/action_log.ts";
import { rowsOf, type SeenRow } from "./rows.ts";
import { OPERATOR, withWorld } from "./world.ts";

const PULL = { kind: "pull_repo", account: "acme", repository: "app", ip: "192.0.2.7" };
const ASKED = { repo: "app", namespace: "acme", "user-agent": "client/1" };

async function pulls(deps: Parameters<typeof rowsOf>[0]): Promise<SeenRow[]> {
  return (await rowsOf(deps)).filter(({ kind }) => kind === "pull_repo" || kind === "pull_repo_failed");
}

Deno.test("GET, HEAD /v2/<name>/manifests/<reference>: each is a row with who pulled what, from where, by what", async () => {
  await withWorld({}, async ({ deps, registry, actorOf, digests: [digest] }) => {
    const alice = await actorOf("alice");
    if (alice.kind !== "user") throw new Error("alice is a person");
    const robot = await createRobot(deps, OPERATOR, { namespace: "acme", short: "ci" });
    const oauth = { kind: "oauth", id: 7, clientId: "ABC", application: "deployer" } as const;
    const apptoken = { kind: "apptoken", uuid: "u-1", title: "my laptop" } as const;
    const tag = "/v2/acme/app/manifests/v1";
    const answers = [
      await registry(alice, "GET", tag),
      await registry(alice, "HEAD", `/v2/acme/app/manifests/${digest}`),
      await registry({ kind: "robot", id: robot.id, username: robot.name, ownerId: 1 }, "GET", tag),
      await registry({ kind: "anonymous" }, "GET", tag),
      await registry({ ...alice, via: "oauth", credential: oauth }, "GET", tag),
      await registry({ ...alice, via: "apptoken", credential: apptoken }, "GET", tag),
      await registry(alice, "GET", tag, { headers: { "if-none-match": `"${digest}"` } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200, 304]);
    const byTag = { ...ASKED, tag: "v1" };
    const username = "alice";
    expect(await pulls(deps)).toEqual([
      { ...PULL, performer: username, metadata: { ...byTag, username } },
      { ...PULL, performer: username, metadata: { ...ASKED, manifest_digest: digest, username } },
      { ...PULL, performer: "acme+ci", metadata: { ...byTag, username: "acme+ci", is_robot: true } },
      { ...PULL, performer: null, metadata: { ...byTag, public: true } },
      {
        ...PULL,
        performer: username,
        metadata: {
          ...byTag,
          username,
          oauth_token_id: 7,
          oauth_token_application_id: "ABC",
          oauth_token_application: "deployer",
        },
      },
      {
        ...PULL,
        performer: username,
        metadata: {
          ...byTag,
          username,
          app_specific_token: "u-1",
          app_specific_token_title: "my laptop",
        },
      },
      { ...PULL, performer: username, metadata: { ...byTag, username } },
    ]);
  });
});

Deno.test("DISABLED_FOR_PULL_LOGS, DISABLED_FOR_AUDIT_LOGS, REGISTRY_STATE: readonly: what is not recorded", async () => {
  const kindsAfter = async (config: Parameters<typeof withWorld>[0]) => {
    let kinds: string[] = [];
    await withWorld(config, async ({ deps, registry, actorOf, content: { repository } }) => {
      await deps.sql`delete from logentry3`;
      const alice = await actorOf("alice");
      const { status } = await registry(alice, "GET", "/v2/acme/app/manifests/v1");
      expect(status).toBe(200);
      const { namespaceId } = repository;
      await logAction(deps, alice, { kind: "create_tag", namespaceId, metadata: {} });
      kinds = (await rowsOf(deps)).map(({ kind }) => kind).toSorted();
    });
    return kinds;
  };
  expect(await kindsAfter({})).toEqual(["create_tag", "pull_repo"]);
  expect(await kindsAfter({ DISABLED_FOR_PULL_LOGS: ["acme"] })).toEqual(["create_tag"]);
  expect(await kindsAfter({ DISABLED_FOR_AUDIT_LOGS: ["acme"] })).toEqual([]);
  expect(await kindsAfter({ REGISTRY_STATE: "readonly" })).toEqual([]);
  expect(await kindsAfter({ DISABLED_FOR_AUDIT_LOGS: ["other"] })).toEqual(["create_tag", "pull_repo"]);
});

Deno.test("a pull that cannot be recorded: refused with 503, unless ALLOW_PULLS_WITHOUT_STRICT_LOGGING", async () => {
  for (const [lenient, expected] of [[false, 503], [true, 200]] as const) {
    await withWorld({ ALLOW_PULLS_WITHOUT_STRICT_LOGGING: lenient }, async ({ deps, registry, actorOf }) => {
      const alice = await actorOf("alice");
      await deps.sql`alter table logentry3 rename to logentry3_away`;
      const row = { kindId: 41, accountId: 1, performerId: null, repositoryId: null, atMs: 0, ip: null };
      while (deps.actions.offer({ entry: { ...row, metadata: {} } }));
      expect((await registry(alice, "GET", "/v2/acme/app/manifests/v1")).status).toBe(expected);
      await deps.sql`alter table logentry3_away rename to logentry3`;
      await deps.actions.flush();
      expect((await registry(alice, "GET", "/v2/acme/app/manifests/v1")).status).toBe(200);
    });
  }
});

Deno.test("ALLOW_WITHOUT_STRICT_LOGGING: what was done stands, also when its row cannot be written", async () => {
  for (const lenient of [false, true]) {
    await withWorld({ ALLOW_WITHOUT_STRICT_LOGGING: lenient }, async ({ deps, alice }) => {
      await deps.sql`alter table logentry3 rename to logentry3_away`;
      const answer = await alice.api("PUT", "/repository/acme/app", { description: "new" });
      expect(answer.status).toBe(lenient ? 200 : 500);
      await answer.body?.cancel();
      const [row] = await deps.sql`select description from repository where name = 'app'`;
      expect(row?.description).toBe(lenient ? "new" : "");
    });
  }
});

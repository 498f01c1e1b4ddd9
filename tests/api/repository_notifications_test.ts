import { expect } from "@std/testing";
import { insertAuthorizedEmail } from "../../src/drivers/database/queries/authorized_email.ts";
import { authorizeEmail, Content } from "./content.ts";
import { withSite } from "./site.ts";

const PATH = "/repository/acme/app/notification/";
/** An address literal of the public Internet: nothing is looked up, and nothing is sent in these tests. */
const URL = "https://192.88.99.7/hook";
const WEBHOOK = { event: "repo_push", method: "webhook", config: { url: URL }, eventConfig: {} };

Deno.test("repository notifications: made, listed, shown, reset and deleted as in Quay, each with its log", async () => {
  await withSite({ SSRF_ALLOWED_HOSTS: ["192.88.99.7"] }, async (site) => {
    await Content.of(site.deps, "acme/app");
    const alice = await site.browserOf("alice");
    expect(await alice.expect(200, "GET", PATH)).toEqual({ notifications: [] });
    const made = await alice.expect(201, "POST", PATH, { ...WEBHOOK, title: "My hook" });
    expect(made).toEqual({
      uuid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      title: "My hook",
      event: "repo_push",
      method: "webhook",
      config: { url: URL },
      event_config: {},
      number_of_failures: 0,
    });
    const untitled = await alice.expect(201, "POST", PATH, {
      event: "vulnerability_found",
      method: "quay_notification",
      config: { target: { kind: "user", name: "bob" } },
      eventConfig: { level: "2" },
    });
    expect([untitled.title, untitled.event_config]).toEqual([null, { level: "2" }]);
    expect(await alice.expect(200, "GET", PATH)).toEqual({ notifications: [made, untitled] });
    expect(await alice.expect(200, "GET", PATH + made.uuid)).toEqual(made);
    await site.deps.sql`update repositorynotification set number_of_failures = 3`;
    expect((await alice.expect(200, "GET", PATH + made.uuid)).number_of_failures).toBe(3);
    await alice.expect(204, "POST", PATH + made.uuid);
    expect((await alice.expect(200, "GET", PATH + made.uuid)).number_of_failures).toBe(0);
    expect((await alice.expect(200, "GET", PATH + untitled.uuid)).number_of_failures).toBe(3);
    expect(await alice.expect(200, "POST", `${PATH}${made.uuid}/test`)).toEqual({});
    await alice.expect(204, "DELETE", PATH + made.uuid);
    expect(await alice.expect(200, "GET", PATH)).toEqual({
      notifications: [{ ...untitled, number_of_failures: 3 }],
    });
    const logs = await site.deps.sql<{ kind: string; metadata: string }[]>`
      select k.name as kind, l.metadata_json as metadata from logentry3 l join logentrykind k on k.id = l.kind_id
      where k.name like '%_repo_notification' order by l.id`;
    const about = {
      repo: "app",
      namespace: "acme",
      notification_id: made.uuid,
      event: "repo_push",
      method: "webhook",
    };
    expect(logs.map(({ kind, metadata }) => [kind, JSON.parse(metadata)])).toEqual([
      ["add_repo_notification", about],
      [
        "add_repo_notification",
        {
          ...about,
          notification_id: untitled.uuid,
          event: "vulnerability_found",
          method: "quay_notification",
        },
      ],
      ["reset_repo_notification", about],
      ["delete_repo_notification", about],
    ]);
  });
});

Deno.test("repository notifications: an unknown one, or one of another repository", async () => {
  await withSite({ SSRF_ALLOWED_HOSTS: ["192.88.99.7"] }, async (site) => {
    await Content.of(site.deps, "acme/app");
    await Content.of(site.deps, "acme/other");
    const alice = await site.browserOf("alice");
    const elsewhere = await alice.expect(201, "POST", "/repository/acme/other/notification/", WEBHOOK);
    for (const uuid of ["00000000-0000-0000-0000-000000000000", "x", elsewhere.uuid]) {
      await alice.expect(404, "GET", PATH + uuid);
      for (const [method, path] of [["DELETE", ""], ["POST", ""], ["POST", "/test"]] as const) {
        const answer = await alice.expect(400, method, PATH + uuid + path);
        expect(answer.error_message).toBe(`No repository notification found for: acme, app, ${uuid}`);
      }
    }
    expect((await alice.expect(200, "GET", "/repository/acme/other/notification/")).notifications.length)
      .toBe(1);
  });
});

Deno.test("POST /repository/{r}/notification/: what an event or a method lacks is said; nothing is made", async () => {
  const config = {
    SSRF_ALLOWED_HOSTS: ["192.88.99.7", "10.0.0.1"],
    WEBHOOK_HOSTNAME_BLACKLIST: ["Blocked.example.org", "10.0.0.1"],
  };
  await withSite(config, async (site) => {
    const { repository } = await Content.of(site.deps, "acme/app");
    await Content.of(site.deps, "bob/own");
    const { sql } = site.deps;
    await insertAuthorizedEmail(sql, repository.id, "asked@example.org");
    await authorizeEmail(sql, repository.id, "yes@example.org");
    const alice = await site.browserOf("alice");
    const webhook = (url: unknown, more = {}) => ({ method: "webhook", config: { url, ...more } });
    const slack = (url: unknown) => ({ method: "slack", config: { url } });
    const target = (kind: unknown, name: unknown) => ({
      method: "quay_notification",
      config: { target: { kind, name } },
    });
    const refused: [wish: Record<string, unknown>, words: RegExp][] = [
      [{ event: "repo_pull" }, /event: /],
      [{ method: "pigeon" }, /method: /],
      [{ config: "text" }, /config: /],
      [{ eventConfig: null }, /eventConfig: /],
      [{ title: "x".repeat(256) }, /title: /],
      [{ title: 7 }, /title: /],
      [webhook(undefined), /Missing webhook URL/],
      [webhook(7), /Missing webhook URL/],
      [webhook("not a url"), /http or https address/],
      [webhook("ftp://192.88.99.7/"), /http or https address/],
      [webhook(`${URL}?${"x".repeat(3000)}`), /http or https address/],
      [webhook("http://localhost/x"), /must not lead to localhost/],
      [webhook("http://LOCALHOST.:80/x"), /must not lead to localhost/],
      [webhook("http://a.localhost/x"), /must not lead to a.localhost/],
      [webhook("http://127.0.0.1:8080/x"), /must not lead to 127.0.0.1/],
      [webhook("http://0x7f.1/x"), /must not lead to 127.0.0.1/],
      [webhook("http://[::1]/x"), /must not lead to ::1/],
      [webhook("https://blocked.example.org/"), /must not lead to blocked.example.org/],
      [webhook("https://10.0.0.1/"), /must not lead to 10.0.0.1/],
      [webhook("https://10.0.0.2/"), /no address on the public Internet.*SSRF_ALLOWED_HOSTS/],
      [webhook("https://169.254.169.254/latest"), /no address on the public Internet/],
      [webhook(URL, { template: "{" }), /config.template: the template is not valid JSON/],
      [webhook(URL, { template: '{"a":"${b c}"}' }), /config.template: .* is no path/],
      [webhook(URL, { template: {} }), /config.template must be a text/],
      [slack(""), /Missing Slack webhook URL/],
      [slack("http://127.0.0.1/"), /must not lead to/],
      [{ method: "email", config: {} }, /Missing e-mail address/],
      [{ method: "email", config: { email: "new@example.org" } }, /not authorized to receive/],
      [{ method: "email", config: { email: "asked@example.org" } }, /not authorized to receive/],
      [{ method: "quay_notification", config: {} }, /Missing target/],
      [target("user", "nobody"), /Unknown user nobody/],
      [target("user", "acme"), /Unknown user acme/],
      [target("org", "bob"), /Unknown organization bob/],
      [target("team", "nobody"), /Unknown team nobody/],
      [target("planet", "x"), /kind must be user, team or org/],
      [{ method: "flowdock", config: { flow_api_token: "x" } }, /Flowdock was shut down/],
      [{ method: "hipchat", config: { notification_token: "x", room_id: "1" } }, /HipChat was shut down/],
      [
        { event: "vulnerability_found", eventConfig: { level: 6 } },
        /level must be one of: 0 Critical, 1 High/,
      ],
      [{ event: "vulnerability_found", eventConfig: { level: "High" } }, /level must be one of/],
      [{ event: "repo_image_expiry" }, /days must be a whole number/],
      [{ event: "repo_image_expiry", eventConfig: { days: 0 } }, /days must be a whole number/],
      [{ event: "build_failure", eventConfig: { "ref-regex": 7 } }, /ref-regex must be a text/],
    ];
    for (const [wish, words] of refused) {
      const { error_message } = await alice.expect(400, "POST", PATH, { ...WEBHOOK, ...wish });
      expect([wish, error_message]).toEqual([wish, expect.stringMatching(words)]);
    }
    expect((await alice.expect(200, "GET", PATH)).notifications).toEqual([]);
    const foreign = await alice.expect(400, "POST", PATH, { ...WEBHOOK, ...target("org", "acme2") });
    expect(foreign.error_message).toMatch(/Unknown organization/);

    const accepted: Record<string, unknown>[] = [
      {},
      { title: null },
      webhook("http://user:word@192.88.99.7:8080/hook"),
      webhook(URL, { template: '{"name": "${name}"}' }),
      slack(URL),
      target("user", "bob"),
      target("team", "members"),
      target("org", "acme"),
      { method: "email", config: { email: "yes@example.org" } },
      { event: "repo_image_expiry", eventConfig: { days: 7 } },
      { event: "build_failure", eventConfig: { "ref-regex": "heads/.*" } },
      { event: "repo_mirror_sync_failed" },
      { unknownField: 1 },
    ];
    for (const wish of accepted) await alice.expect(201, "POST", PATH, { ...WEBHOOK, ...wish });
    expect((await alice.expect(200, "GET", PATH)).notifications.length).toBe(accepted.length);
  });
});

Deno.test("repository notifications: only administrators of the repository, with a token that may", async () => {
  await withSite({ SSRF_ALLOWED_HOSTS: ["192.88.99.7"] }, async (site) => {
    await Content.of(site.deps, "acme/app", "public");
    const admin = await site.browserOf("alice");
    const { uuid } = await admin.expect(201, "POST", PATH, WEBHOOK);
    const carol = await site.browserOf("carol");
    await admin.expect(200, "PUT", "/repository/acme/app/permissions/user/carol", { role: "write" });
    const rows = [
      [await site.scriptOf("alice", ["repo:write"]), 403],
      [await site.browserOf("bob"), 403],
      [carol, 403],
      [site.stranger(), 401],
    ] as const;
    for (const [client, status] of rows) {
      if (status === 401) await client.fetchCsrf();
      await client.expect(status, "GET", PATH);
      await client.expect(status, "POST", PATH, WEBHOOK);
      await client.expect(status, "GET", PATH + uuid);
      await client.expect(status, "POST", PATH + uuid);
      await client.expect(status, "POST", `${PATH}${uuid}/test`);
      await client.expect(status, "DELETE", PATH + uuid);
    }
    const script = await site.scriptOf("alice", ["repo:admin"]);
    await script.expect(204, "DELETE", PATH + uuid);
  });
});

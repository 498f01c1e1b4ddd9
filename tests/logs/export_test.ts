import { expect } from "@std/testing";
import { findOrganization } from "../../src/domain/organizations/organizations.ts";
import { cleanExports } from "../../src/domain/logs/log_export.ts";
import type { Deps } from "../../src/domain/deps.ts";
import type { StorageDriver } from "../../src/drivers/storage/driver.ts";
import { createWebhookClient } from "../../src/lib/webhook_client.ts";
import { exportLogs } from "../../src/workers/log_export.ts";
import { Content } from "../api/content.ts";
import { type Site, withSite } from "../api/site.ts";
import type { RecordedMail } from "../database.ts";
import { type Receiver, RECEIVER_HOST, withReceiver } from "../notifications/receiver.ts";
import { addRows, rowsOf } from "./rows.ts";

const AT = "/organization/acme/exportlogs";

async function withExports(
  test: (site: Site, receiver: Receiver, work: (deps?: Deps) => Promise<number>) => Promise<void>,
  config: Parameters<typeof withSite>[0] = {},
): Promise<void> {
  await withReceiver(async (receiver) => {
    await withSite({ SSRF_ALLOWED_HOSTS: [RECEIVER_HOST], ...config }, async (site) => {
      const { config: { SSRF_ALLOWED_HOSTS: allowedHosts } } = site.deps;
      const webhooks = createWebhookClient({ allowedHosts, authorities: [], timeoutMs: 5000 });
      try {
        await test(site, receiver, (deps = site.deps) => exportLogs({ ...deps, webhooks }));
      } finally {
        await webhooks.close();
      }
    });
  });
}

/** The path of the address that was told. */
function pathIn(url: unknown): string {
  expect(url).toMatch(/^http:\/\/registry\.test\/exportedlogs\/[0-9a-f-]{73}$/);
  return String(url).slice("http://registry.test".length);
}

Deno.test("POST …/exportlogs: written whole to storage, told by POST, fetched without signing in, for a while", async () => {
  await withExports(async ({ deps, browserOf, stranger }, receiver, work) => {
    const { id } = await findOrganization(deps, "acme");
    await deps.sql`truncate logentry3`;
    await addRows(deps.sql, { kind: "pull_repo", accountId: id, atMs: Date.now() - 10_000, count: 2500 });
    await addRows(deps.sql, { kind: "pull_repo", accountId: id + 1000, atMs: Date.now() - 10_000 });
    const alice = await browserOf("alice");
    const callback_url = `${receiver.url}/told?by=quaylet`;
    const { export_id } = await alice.expect(200, "POST", AT, { callback_url });
    expect(await work()).toBe(1);
    const [told] = receiver.received;
    expect(told).toMatchObject({ path: "/told?by=quaylet", body: { export_id, status: "success" } });
    expect(told?.body).toMatchObject({
      namespace: "acme",
      repository: null,
      start_time: expect.stringMatching(/^\d\d\/\d\d\/\d{4}$/),
    });
    const path = pathIn((told?.body as Record<string, unknown>).exported_data_url);

    const answer = await stranger().call("GET", path);
    expect(answer.status).toBe(200);
    const text = await answer.text();
    expect(Number(answer.headers.get("content-length"))).toBe(new TextEncoder().encode(text).length);
    const exported = JSON.parse(text);
    expect(exported).toMatchObject({ export_id, details: { namespace: "acme", repository: null } });
    expect(exported.logs.at(-1)).toEqual({ terminator: true });
    const pulls = exported.logs.filter((log: { kind?: string }) => log.kind === "pull_repo");
    expect(new Set(pulls.map((log: { metadata: { n: number } }) => log.metadata.n)).size).toBe(2500);
    expect(pulls.length).toBe(2500);
    const head = await stranger().call("HEAD", path);
    expect([head.status, await head.text()]).toEqual([200, ""]);

    const guesses = [
      `${path}0`,
      `${path.slice(0, -1)}g`,
      `/exportedlogs/${export_id}`,
      "/exportedlogs/..%2Fx",
    ];
    for (const guess of guesses) {
      const refused = await stranger().call("GET", guess);
      expect([guess, refused.status]).toEqual([guess, 404]);
      await refused.body?.cancel();
    }
    const { now } = deps;
    Object.assign(deps, { now: () => now() + 3_601_000 });
    const late = await stranger().call("GET", path);
    expect(late.status).toBe(404);
    await late.body?.cancel();
    expect(await cleanExports(deps)).toBe(1);
    expect(await Array.fromAsync(deps.storage.driver.list("exportedactionlogs"))).toEqual([]);
  });
});

Deno.test("POST …/exportlogs: by e-mail; of a repository and of oneself; what was asked for is in the log", async () => {
  await withExports(async ({ deps, browserOf, stranger }, _receiver, work) => {
    const { repository } = await Content.of(deps, "acme/app");
    await addRows(deps.sql, {
      kind: "pull_repo",
      accountId: repository.namespaceId,
      repositoryId: repository.id,
      atMs: Date.now() - 1000,
    });
    const alice = await browserOf("alice");
    const callback_email = "auditor@example.org";
    await alice.expect(200, "POST", "/repository/acme/app/exportlogs", { callback_email });
    await alice.expect(200, "POST", "/user/exportlogs", { callback_email });
    await work();
    const [ofApp, ofAlice] = (deps.mail as RecordedMail).sent;
    expect([ofApp?.to, ofAlice?.to]).toEqual([callback_email, callback_email]);
    const path = pathIn(/http:\/\/registry\.test\/exportedlogs\/\S+/.exec(ofApp?.text ?? "")?.[0]);
    const exported = await (await stranger().call("GET", path)).json();
    expect(exported.details).toMatchObject({ namespace: "acme", repository: "app" });
    expect(exported.logs.map((log: { kind?: string }) => log.kind)).toContain("pull_repo");
    const asked = (await rowsOf(deps)).filter(({ kind }) => kind === "export_logs_success");
    expect(asked).toEqual([
      {
        kind: "export_logs_success",
        account: "acme",
        repository: "app",
        performer: "alice",
        ip: null,
        metadata: { repo: "app", url: null, email: callback_email, export_id: exported.export_id },
      },
      expect.objectContaining({ account: "alice", repository: null, performer: "alice" }),
    ]);
  });
});

Deno.test("POST …/exportlogs: addresses that are none are refused, and that is in the log", async () => {
  await withExports(async ({ deps, browserOf }, _receiver, work) => {
    const alice = await browserOf("alice");
    for (
      const body of [
        {},
        { callback_url: "ftp://example.org/" },
        { callback_url: "http://" },
        { callback_email: "nobody" },
        { callback_email: "a@b\r\nBcc: c@d" },
      ]
    ) await alice.expect(400, "POST", AT, body);
    await alice.expect(400, "POST", `${AT}?starttime=05/02/2026&endtime=05/01/2025`, {
      callback_email: "a@b",
    });
    const failures = (await rowsOf(deps)).filter(({ kind }) => kind === "export_logs_failure");
    expect(failures.length).toBe(5);
    expect(failures[1]).toMatchObject({
      account: "acme",
      performer: "alice",
      metadata: { url: "ftp://example.org/", email: null, error: "Invalid callback URL" },
    });
    expect(await work()).toBe(0);
  });
  await withExports(async ({ browserOf }) => {
    const alice = await browserOf("alice");
    await alice.expect(404, "POST", AT, { callback_email: "a@example.org" });
  }, { FEATURE_LOG_EXPORT: false });
});

Deno.test("an export that nobody can be told of, or that storage refuses, is tried again, then given up and logged", async () => {
  await withExports(async ({ deps, browserOf }, receiver, work) => {
    const alice = await browserOf("alice");
    const { now } = deps;
    let ahead = 0;
    Object.assign(deps, { now: () => now() + ahead });
    receiver.answer = () => new Response("no", { status: 500 });
    await alice.expect(200, "POST", AT, { callback_url: receiver.url });
    for (let tries = 0; tries < 3; tries++, ahead += 61_000) expect(await work()).toBe(1);
    expect(await work()).toBe(0);
    const statuses = receiver.received.map(({ body }) => (body as { status: string }).status);
    expect(statuses).toEqual(["success", "success", "success", "failed"]);
    const failed = (await rowsOf(deps)).filter(({ kind }) => kind === "export_logs_failure");
    expect(failed).toMatchObject([{ account: "acme", performer: null, metadata: { url: receiver.url } }]);

    receiver.answer = () => new Response("ok");
    receiver.received.length = 0;
    await alice.expect(200, "POST", AT, { callback_url: receiver.url });
    const broken = Object.create(deps.storage.driver, {
      write: { value: () => Promise.reject(new Error("disk full")) },
    }) as StorageDriver;
    await work({ ...deps, storage: { ...deps.storage, driver: broken } });
    expect(receiver.received).toEqual([]);
    ahead += 61_000;
    await work();
    expect(receiver.received).toMatchObject([{ body: { status: "success" } }]);
  });
});

Deno.test("a callback inside the network is never called unless SSRF_ALLOWED_HOSTS names it", async () => {
  await withExports(async ({ browserOf }, receiver, work) => {
    const alice = await browserOf("alice");
    await alice.expect(200, "POST", AT, { callback_url: receiver.url });
    expect(await work()).toBe(1);
    expect(receiver.received).toEqual([]);
  }, { SSRF_ALLOWED_HOSTS: [] });
});

Deno.test("an export whose queries take longer than the site allows ends as timedout", async () => {
  await withExports(async ({ deps, browserOf }, receiver, work) => {
    const alice = await browserOf("alice");
    await alice.expect(200, "POST", AT, { callback_url: receiver.url });
    await deps.sql`alter table logentry2 rename to logentry2_slow`;
    await deps.sql`create view logentry2 as
      select l.* from logentry3 l join (select pg_sleep(30)::text as s) s on s.s = '' or true`;
    await work();
    expect(receiver.received).toMatchObject([{ body: { status: "timedout", exported_data_url: null } }]);
    expect((await rowsOf(deps)).map(({ kind }) => kind)).toContain("export_logs_failure");
  }, { EXPORT_ACTION_LOGS_MAXIMUM_QUERY_TIME_SECONDS: 1 });
});

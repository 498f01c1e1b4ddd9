import { expect } from "@std/testing";
import { countActions, storeActions } from "../../src/domain/logs/log_counts.ts";
import { LOG_KINDS } from "../../src/domain/logs/log_kinds.ts";
import { findOrganization } from "../../src/domain/organizations/organizations.ts";
import { findUser } from "../../src/domain/accounts/accounts.ts";
import { stopClock } from "../api/content.ts";
import { Content } from "../api/content.ts";
import { type Site, withSite } from "../api/site.ts";
import { addRows } from "./rows.ts";

const NOON = Date.parse("2026-05-20T12:00:00Z");
const DAY = 86_400_000;

/** The site at noon of a day, with nothing in its log. */
async function withLog(
  test: (site: Site, ids: { acme: number; alice: number; bob: number; app: number }) => Promise<void>,
  config: Parameters<typeof withSite>[0] = {},
): Promise<void> {
  await withSite(config, async (site) => {
    const { deps } = site;
    stopClock(deps, NOON);
    const { repository } = await Content.of(deps, "acme/app");
    const [acme, alice, bob] = await Promise.all([
      findOrganization(deps, "acme"),
      findUser(deps, "alice"),
      findUser(deps, "bob"),
    ]);
    await deps.sql`truncate logentry3`;
    await deps.sql`truncate logdailycount`;
    await deps.sql`update logcounted set until_time = '2026-01-01'`;
    await test(site, { acme: acme.id, alice: alice.id, bob: bob.id, app: repository.id });
  });
}

Deno.test("GET …/logs: rows with who, where and when; the range is a day before and after now unless given", async () => {
  await withLog(async ({ deps, browserOf }, { acme, alice, app }) => {
    const add = (atMs: number, kind: "pull_repo" | "push_repo" = "pull_repo") =>
      addRows(deps.sql, {
        kind,
        accountId: acme,
        performerId: alice,
        repositoryId: app,
        atMs,
        metadata: '{"repo": "app"}',
      });
    await add(NOON - 1000);
    await add(NOON - DAY + 1000, "push_repo");
    await add(NOON - DAY - 1000);
    const browser = await browserOf("alice");
    const answer = await browser.expect(200, "GET", "/organization/acme/logs");
    expect(answer).toEqual({
      start_time: "Tue, 19 May 2026 12:00:00 -0000",
      end_time: "Thu, 21 May 2026 12:00:00 -0000",
      logs: [
        {
          kind: "pull_repo",
          metadata: { repo: "app" },
          ip: "192.0.2.1",
          datetime: "Wed, 20 May 2026 11:59:59 -0000",
          performer: {
            kind: "user",
            name: "alice",
            is_robot: false,
            avatar: expect.objectContaining({ kind: "user", name: "alice" }),
          },
        },
        expect.objectContaining({ kind: "push_repo" }),
      ],
    });
    const all = await browser.expect(200, "GET", "/organization/acme/logs?starttime=05/01/2026");
    expect(all.logs.length).toBe(3);
    const some = "starttime=05/19/2026&endtime=05/19/2026";
    expect((await browser.expect(200, "GET", `/organization/acme/logs?${some}`)).logs.length).toBe(2);
    expect((await browser.expect(200, "GET", `/repository/acme/app/logs?${some}`)).logs.length).toBe(2);
    // What is no day counts as absent, as in Quay.
    const odd = await browser.expect(200, "GET", "/organization/acme/logs?starttime=02/30/2026&endtime=x");
    expect(odd.logs.length).toBe(2);
    await browser.expect(400, "GET", "/organization/acme/logs?starttime=05/10/2026&endtime=05/01/2026");
    await browser.expect(400, "GET", "/organization/acme/logs?performer=nobody-of-that-name");
    expect((await browser.expect(200, "GET", "/organization/acme/logs?performer=bob")).logs).toEqual([]);
    expect((await browser.expect(200, "GET", "/organization/acme/logs?performer=alice")).logs.length).toBe(2);
  });
});

Deno.test("GET …/logs: pages of 20 lead through every row once, also among rows of one moment and into older tables", async () => {
  await withLog(async ({ deps, browserOf }, { acme }) => {
    const rows = { kind: "pull_repo", accountId: acme } as const;
    await addRows(deps.sql, { ...rows, atMs: NOON - 1000, count: 30 });
    await addRows(deps.sql, { ...rows, atMs: NOON - 5000, count: 25, stepMs: 0 });
    await addRows(deps.sql, { ...rows, atMs: NOON - 2000, count: 15, table: "logentry2" });
    await addRows(deps.sql, { ...rows, atMs: NOON - 3000, count: 5, table: "logentry" });
    const browser = await browserOf("alice");
    const sizes: number[] = [];
    const seen: string[] = [];
    let next = "";
    do {
      const page = await browser.expect(200, "GET", `/organization/acme/logs${next}`);
      sizes.push(page.logs.length);
      seen.push(
        ...page.logs.map((log: { datetime: string; metadata: { n: number } }) =>
          `${log.datetime} ${log.metadata.n}`
        ),
      );
      next = page.next_page === undefined ? "" : `?next_page=${page.next_page}`;
    } while (next !== "");
    expect(sizes).toEqual([20, 20, 20, 15]);
    expect(new Set(seen).size).toBe(75);
    // Another list's token, and none at all, lead to the first page.
    const first = await browser.expect(200, "GET", "/organization/acme/logs?next_page=nonsense");
    expect(first.logs.length).toBe(20);
  });
});

Deno.test("GET …/logs: ACTION_LOG_MAX_PAGE ends the pages", async () => {
  await withLog(async ({ deps, browserOf }, { acme }) => {
    await addRows(deps.sql, { kind: "pull_repo", accountId: acme, atMs: NOON - 1000, count: 90 });
    const browser = await browserOf("alice");
    const first = await browser.expect(200, "GET", "/organization/acme/logs");
    const second = await browser.expect(200, "GET", `/organization/acme/logs?next_page=${first.next_page}`);
    expect(second.logs.length).toBe(20);
    expect(second).not.toHaveProperty("next_page");
  }, { ACTION_LOG_MAX_PAGE: 2 });
});

Deno.test("GET /user/logs, /superuser/logs: one's own without service keys; everything with its namespace", async () => {
  await withLog(async ({ deps, browserOf }, { alice, acme, bob }) => {
    const at = { atMs: NOON - 1000 };
    await addRows(deps.sql, { ...at, kind: "login_success", accountId: alice, performerId: alice });
    await addRows(deps.sql, { ...at, kind: "service_key_create", accountId: alice, performerId: alice });
    await addRows(deps.sql, { ...at, kind: "create_repo", accountId: acme, performerId: bob });
    await addRows(deps.sql, { ...at, kind: "login_failure", accountId: 0, metadata: "not JSON" });
    const kinds = (answer: { logs: { kind: string }[] }) => answer.logs.map(({ kind }) => kind).toSorted();
    const own = await (await browserOf("alice")).expect(200, "GET", "/user/logs");
    expect(kinds(own)).toEqual(["login_success"]);
    expect(own.logs[0]).not.toHaveProperty("namespace");
    const root = await browserOf("root");
    const all = await root.expect(200, "GET", "/superuser/logs");
    expect(kinds(all)).toEqual(["create_repo", "login_failure", "login_success", "service_key_create"]);
    const of = (kind: string) => all.logs.find((log: { kind: string }) => log.kind === kind);
    expect(of("create_repo").namespace).toMatchObject({ kind: "org", name: "acme" });
    expect(of("login_success").namespace).toMatchObject({ kind: "user", name: "alice" });
    expect(of("login_failure")).toMatchObject({ metadata: { __raw: "not JSON" } });
    expect(of("login_failure")).not.toHaveProperty("namespace");
    expect(kinds(await root.expect(200, "GET", "/superuser/logs?performer=bob"))).toEqual(["create_repo"]);
  });
});

Deno.test("GET …/aggregatelogs: by day and kind, the same before and after rows have been counted, late ones too", async () => {
  await withLog(async ({ deps, browserOf }, { acme, alice, bob, app }) => {
    const of = { accountId: acme, repositoryId: app };
    const add = (rows: Omit<Parameters<typeof addRows>[1], "accountId" | "repositoryId">) =>
      addRows(deps.sql, { ...of, ...rows });
    await add({ kind: "pull_repo", performerId: alice, atMs: NOON - DAY, count: 7 });
    await add({ kind: "pull_repo", performerId: bob, atMs: NOON - DAY, count: 2 });
    await add({ kind: "pull_repo", atMs: NOON - DAY, count: 1 });
    await add({ kind: "push_repo", performerId: alice, atMs: NOON - 1000, count: 3 });
    await add({ kind: "push_repo", performerId: alice, atMs: NOON - 10 * DAY, count: 4 });
    await add({ kind: "push_repo", performerId: alice, atMs: NOON - 20 * DAY, count: 5, table: "logentry2" });
    const browser = await browserOf("alice");
    const root = await browserOf("root");
    const ask = async () => [
      (await browser.expect(200, "GET", "/organization/acme/aggregatelogs?starttime=04/25/2026")).aggregated,
      (await browser.expect(200, "GET", "/organization/acme/aggregatelogs?performer=bob")).aggregated,
      (await browser.expect(200, "GET", "/repository/acme/app/aggregatelogs")).aggregated,
      (await root.expect(200, "GET", "/superuser/aggregatelogs")).aggregated,
      (await root.expect(200, "GET", "/superuser/aggregatelogs?performer=alice")).aggregated,
      (await browser.expect(200, "GET", "/user/aggregatelogs")).aggregated,
    ];
    const yesterday = "Tue, 19 May 2026 00:00:00 -0000";
    const today = "Wed, 20 May 2026 00:00:00 -0000";
    const pulls = { kind: "pull_repo", count: 10, datetime: yesterday };
    const pushes = { kind: "push_repo", count: 3, datetime: today };
    const expected = [
      [
        { kind: "push_repo", count: 5, datetime: "Thu, 30 Apr 2026 00:00:00 -0000" },
        { kind: "push_repo", count: 4, datetime: "Sun, 10 May 2026 00:00:00 -0000" },
        pulls,
        pushes,
      ],
      [{ ...pulls, count: 2 }],
      [pulls, pushes],
      [pulls, pushes],
      [{ ...pulls, count: 7 }, pushes],
      [],
    ];
    expect(await ask()).toEqual(expected);
    await countActions(deps);
    const [{ until }] = await deps.sql`select until_time::text as until from logcounted` as [
      { until: string },
    ];
    expect(until).toBe("2026-05-20 11:58:00");
    expect(await ask()).toEqual(expected);
    Object.assign(deps, { now: () => NOON + 300_000 });
    await countActions(deps);
    await countActions(deps);
    expect(await ask()).toEqual(expected);
    // Kept while the database was away.
    const entry = { kindId: LOG_KINDS.pull_repo, accountId: acme, repositoryId: app, ip: null, metadata: {} };
    await storeActions(deps, [
      { entry: { ...entry, performerId: bob, atMs: NOON - DAY } },
      { entry: { ...entry, performerId: null, atMs: NOON + 299_000 } },
    ]);
    const [ofAcme, ofBob] = await ask();
    expect(ofAcme).toContainEqual({ ...pulls, count: 11 });
    expect(ofAcme).toContainEqual({ ...pulls, count: 1, datetime: today });
    expect(ofBob).toEqual([{ ...pulls, count: 3 }]);
  });
});

Deno.test("GET …/aggregatelogs: at most 31 days; only with FEATURE_AGGREGATED_LOG_COUNT_RETRIEVAL", async () => {
  await withLog(async ({ browserOf }) => {
    const browser = await browserOf("alice");
    const root = await browserOf("root");
    const month = "starttime=05/01/2026&endtime=05/31/2026";
    await browser.expect(200, "GET", `/organization/acme/aggregatelogs?${month}`);
    const longer = "starttime=05/01/2026&endtime=06/01/2026";
    await browser.expect(400, "GET", `/organization/acme/aggregatelogs?${longer}`);
    await root.expect(400, "GET", `/superuser/aggregatelogs?${longer}`);
  });
  await withLog(async ({ browserOf }) => {
    const browser = await browserOf("alice");
    for (const whose of ["organization/acme", "repository/acme/app", "user"]) {
      await browser.expect(404, "GET", `/${whose}/aggregatelogs`);
    }
  }, { FEATURE_AGGREGATED_LOG_COUNT_RETRIEVAL: false });
});

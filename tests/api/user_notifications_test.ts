import { expect } from "@std/testing";
import { findUser } from "../../src/domain/accounts/accounts.ts";
import {
  notifyUsers,
  notifyUsersOnce,
  withdrawNotifications,
} from "../../src/domain/notifications/notifications.ts";
import { selectNamespace } from "../../src/drivers/database/queries/user.ts";
import { stopClock } from "./content.ts";
import { withSite } from "./site.ts";

const START_MS = Date.UTC(2026, 10, 24, 2, 0, 0);

Deno.test("GET /user/notifications: the own and the organizations' in pages, the youngest first, until dismissed", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    const clock = stopClock(deps, START_MS);
    const { id: aliceId } = await findUser(deps, "alice");
    const acmeId = (await selectNamespace(deps.sql, "acme"))!.id;
    for (let n = 1; n <= 7; n++) {
      clock.ms += 1000;
      await notifyUsers(deps, {
        kind: n % 2 === 0 ? "org_team_invite" : "quota_warning",
        targetIds: [n % 2 === 0 ? aliceId : acmeId],
        metadata: { n },
      });
    }
    const alice = await site.browserOf("alice");
    const list = async (query = "") => {
      const { notifications, additional } = await alice.expect(200, "GET", `/user/notifications${query}`);
      return [notifications.map((one: { metadata: { n: number } }) => one.metadata.n), additional];
    };
    expect(await list()).toEqual([[7, 6, 5, 4, 3], true]);
    expect(await list("?page=1")).toEqual([[2, 1], false]);
    expect(await list("?page=2")).toEqual([[], false]);
    expect(await list("?limit=2&page=2")).toEqual([[3, 2], true]);
    expect(await list("?limit=0&page=-1")).toEqual([[7], true]);
    expect(await list("?limit=1000")).toEqual([[7, 6, 5, 4, 3, 2, 1], false]);
    await alice.expect(400, "GET", "/user/notifications?page=x");
    const { notifications: [first] } = await alice.expect(200, "GET", "/user/notifications");
    expect(first).toEqual({
      id: expect.any(String),
      organization: "acme",
      kind: "quota_warning",
      created: "Tue, 24 Nov 2026 02:00:07 -0000",
      metadata: { n: 7 },
      dismissed: false,
    });
    const path = `/user/notifications/${first.id}`;
    expect(await alice.expect(200, "PUT", path, { dismissed: true })).toEqual({ ...first, dismissed: true });
    expect(await list("?limit=2")).toEqual([[6, 5], true]);
    expect((await alice.expect(200, "GET", path)).dismissed).toBe(true);
    await alice.expect(200, "PUT", path, { dismissed: false });
    expect(await list("?limit=2")).toEqual([[7, 6], true]);
    await alice.expect(400, "PUT", path, { dismissed: "yes" });

    // Members who do not administer see nothing of it, and cannot tell it from what does not exist.
    const carol = await site.browserOf("carol");
    expect((await carol.expect(200, "GET", "/user/notifications")).notifications).toEqual([]);
    for (const id of [first.id, "nothing"]) {
      await carol.expect(404, "GET", `/user/notifications/${id}`);
      await carol.expect(404, "PUT", `/user/notifications/${id}`, { dismissed: true });
    }
    expect(await list("?limit=2")).toEqual([[7, 6], true]);
  });
});

Deno.test("user notifications: who may ask", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    const { id } = await findUser(deps, "bob");
    await notifyUsers(deps, { kind: "password_required", targetIds: [id], metadata: {} });
    const bob = await site.browserOf("bob");
    const { notifications: [one] } = await bob.expect(200, "GET", "/user/notifications");
    const path = `/user/notifications/${one.id}`;
    const stranger = site.stranger();
    await stranger.fetchCsrf();
    for (const [method, at] of [["GET", "/user/notifications"], ["GET", path], ["PUT", path]] as const) {
      await stranger.expect(401, method, at, method === "PUT" ? {} : undefined);
      const script = await site.scriptOf("bob", ["repo:admin"]);
      await script.expect(403, method, at, method === "PUT" ? {} : undefined);
    }
    const reader = await site.scriptOf("bob", ["user:read"]);
    await reader.expect(200, "GET", path);
    await reader.expect(403, "PUT", path, { dismissed: true });
  });
});

Deno.test("notifyUsersOnce() waits for the last one to be dismissed; withdrawNotifications() takes by metadata", async () => {
  await withSite({}, async ({ deps }) => {
    const { id } = await findUser(deps, "bob");
    const count = async () => (await deps.sql`select from notification`).length;
    const once = () => notifyUsersOnce(deps, { kind: "password_required", targetIds: [id], metadata: {} });
    await once();
    await once();
    expect(await count()).toBe(1);
    await deps.sql`update notification set dismissed = true`;
    await once();
    expect(await count()).toBe(2);
    for (const org of ["a", "b"]) {
      await notifyUsers(deps, {
        kind: "org_team_invite",
        targetIds: [id],
        metadata: { org, team: "t", code: org },
      });
    }
    const gone = await withdrawNotifications(deps, {
      kind: "org_team_invite",
      targetId: id,
      matching: { org: "a" },
    });
    expect([gone, await count()]).toEqual([1, 3]);
  });
});

Deno.test("GET /user/notifications: a page among 40,000 undismissed ones is read from its index", async () => {
  await withSite({}, async (site) => {
    const { sql } = site.deps;
    const { id } = await findUser(site.deps, "bob");
    await sql`
      insert into notification (kind_id, target_id, created, dismissed)
      select 1, ${id}, '2026-01-01'::timestamp + g * interval '1 second', g % 10 = 0 from generate_series(1, 40000) g`;
    await sql`vacuum analyze notification`;
    const { selectUndismissedNotifications } = await import(
      "../../src/drivers/database/queries/user_notification.ts"
    );
    const page = selectUndismissedNotifications(sql, id, { offset: 0, limit: 6 });
    const [row] = await sql`explain (analyze, buffers, format json) ${page as unknown as ReturnType<
      typeof sql
    >}`;
    const plan = JSON.stringify(row!["QUERY PLAN"]);
    expect(plan).toContain("notification_undismissed");
    expect(plan).not.toContain('"Relation Name":"notification","Alias":"n","Node Type":"Seq Scan"');
    const { Plan: top } = row!["QUERY PLAN"][0];
    const pages = top["Shared Hit Blocks"] + top["Shared Read Blocks"];
    expect([pages < 100, pages]).toEqual([true, pages]);
  });
});

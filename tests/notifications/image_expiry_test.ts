import { expect } from "@std/testing";
import { insertNotification } from "../../src/drivers/database/queries/notification.ts";
import { selectUntoldEndingTags } from "../../src/drivers/database/queries/image_expiry.ts";
import { changeTag } from "../../src/domain/content/tag_changes.ts";
import { findEndingTags } from "../../src/workers/image_expiry.ts";
import { Content, stopClock } from "../api/content.ts";
import { OPERATOR, type Site, withSite } from "../api/site.ts";

const START_MS = Date.UTC(2026, 10, 24, 2, 0, 0);
const DAY_MS = 86_400_000;
const ROUND_MS = 300 * 60_000;

/** Takes what one round has queued: the fields of each event, in order. */
async function round(site: Site): Promise<unknown[]> {
  await findEndingTags(site.deps, new AbortController().signal);
  const rows = await site.deps.sql<{ body: string }[]>`delete from queueitem returning body`;
  return rows.map(({ body }) => {
    const { tags, expiring_in } = JSON.parse(body).event_data;
    return [tags.toSorted(), expiring_in];
  });
}

Deno.test("repo_image_expiry: each tag is told of once, in time, and again when its end was changed", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    const clock = stopClock(deps, START_MS);
    const content = await Content.of(deps, "acme/app");
    const { repository } = content;
    for (const tag of ["soon", "later", "forever"]) await content.image({ word: tag, tag });
    const end = (tag: string, days: number) =>
      changeTag(deps, OPERATOR, repository, tag, { endMs: clock.ms + days * DAY_MS });
    await end("soon", 2);
    await end("later", 6);
    const add = (eventConfig: Record<string, unknown>) =>
      insertNotification(deps.sql, { kind: "repository", repositoryId: repository.id }, {
        title: null,
        event: "repo_image_expiry",
        method: "webhook",
        config: {},
        eventConfig,
      });
    await add({ days: 3 });
    expect(await round(site)).toEqual([[["soon"], "3 days"]]);
    // Not its turn, then nothing new.
    await end("forever", 1);
    expect(await round(site)).toEqual([]);
    clock.ms += ROUND_MS + 1;
    expect(await round(site)).toEqual([[["forever"], "3 days"]]);
    clock.ms += ROUND_MS + 1;
    expect(await round(site)).toEqual([]);
    // Another notification has its own memory.
    await add({ days: "10" });
    expect(await round(site)).toEqual([[["forever", "later", "soon"], "10 days"]]);
    await end("soon", 2.5);
    clock.ms += ROUND_MS + 1;
    expect(await round(site)).toEqual([[["soon"], "3 days"], [["soon"], "10 days"]]);
    // What has ended, or whose notification has failed too often, is not told.
    await deps
      .sql`update repositorynotification set number_of_failures = 3 where event_config_json = '{"days":3}'`;
    await deps.sql`delete from tagnotificationsuccess`;
    clock.ms += 3 * DAY_MS;
    expect(await round(site)).toEqual([[["later"], "10 days"]]);
    await add({});
    await add({ days: "many" });
    expect(await round(site)).toEqual([]);
  });
});

Deno.test("repo_image_expiry: two nodes at once tell of a tag once", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    stopClock(deps, START_MS);
    const content = await Content.of(deps, "acme/app");
    await content.image({ word: "one", tag: "v1" });
    await changeTag(deps, OPERATOR, content.repository, "v1", { endMs: START_MS + DAY_MS });
    for (let n = 0; n < 5; n++) {
      await insertNotification(deps.sql, { kind: "repository", repositoryId: content.repository.id }, {
        title: null,
        event: "repo_image_expiry",
        method: "webhook",
        config: {},
        eventConfig: { days: 2 },
      });
    }
    const { signal } = new AbortController();
    await Promise.all([findEndingTags(deps, signal), findEndingTags(deps, signal)]);
    expect((await deps.sql`select from queueitem`).length).toBe(5);
    expect((await deps.sql`select from tagnotificationsuccess`).length).toBe(5);
  });
});

Deno.test("repo_image_expiry: the tags that end soon are found in an index among 60,000", async () => {
  await withSite({}, async ({ deps }) => {
    const { sql } = deps;
    const { repository } = await Content.of(deps, "acme/app");
    await sql`
      insert into tag (name, repository_id, lifetime_start_ms, lifetime_end_ms, tag_kind_id)
      select 'v' || g, ${repository.id}, 1000, case when g % 2 = 0 then ${START_MS}::bigint - g else null end, 1
      from generate_series(1, 60000) g`;
    await sql`
      insert into tag (name, repository_id, lifetime_start_ms, lifetime_end_ms, tag_kind_id)
      select 'soon' || g, ${repository.id}, 1000, ${START_MS}::bigint + g, 1 from generate_series(1, 20) g`;
    await sql`vacuum analyze tag`;
    const found = selectUntoldEndingTags(sql, {
      notificationId: 1,
      repositoryId: repository.id,
      fromMs: START_MS,
      untilMs: START_MS + DAY_MS,
      limit: 500,
    });
    const [row] = await sql`explain (analyze, buffers, format json) ${found as unknown as ReturnType<
      typeof sql
    >}`;
    expect(JSON.stringify(row!["QUERY PLAN"])).toContain("tag_lifetime_end_ms");
    const { Plan: top } = row!["QUERY PLAN"][0];
    expect(top["Actual Rows"]).toBe(20);
    const pages = top["Shared Hit Blocks"] + top["Shared Read Blocks"];
    expect([pages < 100, pages]).toEqual([true, pages]);
  });
});

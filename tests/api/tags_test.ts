import { expect } from "@std/testing";
import { ChangeCounters } from "../../src/lib/change_counters.ts";
import type { Deps } from "../../src/domain/deps.ts";
import { Content, stopClock } from "./content.ts";
import { withSite } from "./site.ts";

const START_MS = Date.UTC(2026, 10, 24, 2, 0, 0, 700);
const START_S = Math.floor(START_MS / 1000);
const HOUR_MS = 3_600_000;
const NOWHERE = `sha256:${"0".repeat(64)}`;

interface Tag {
  name: string;
  manifest_digest: string;
  reversion: boolean;
  start_ts: number;
  end_ts?: number;
}

const names = (answer: { tags: Tag[] }) => answer.tags.map((tag) => tag.name);

Deno.test("GET /repository/{r}/tag/: history with the youngest first, times, sizes, indexes", async () => {
  await withSite({}, async (site) => {
    const clock = stopClock(site.deps, START_MS);
    const content = await Content.of(site.deps, "acme/app");
    const one = await content.image({ word: "one", tag: "v1" });
    clock.ms += 5000;
    const two = await content.image({ word: "other", tag: "v1" });
    const all = await content.index([two], "multi");
    const alice = await site.browserOf("alice");
    expect(await alice.expect(200, "GET", "/repository/acme/app/tag/")).toEqual({
      tags: [
        {
          name: "multi",
          reversion: false,
          start_ts: START_S + 5,
          manifest_digest: all,
          is_manifest_list: true,
          size: 0,
          last_modified: "Tue, 24 Nov 2026 02:00:05 -0000",
          immutable: false,
          is_sparse: false,
          child_manifest_count: 1,
          present_child_count: 1,
          child_manifests_presence: { [two]: true },
        },
        {
          name: "v1",
          reversion: false,
          start_ts: START_S + 5,
          manifest_digest: two,
          is_manifest_list: false,
          size: 5,
          last_modified: "Tue, 24 Nov 2026 02:00:05 -0000",
          immutable: false,
        },
        {
          name: "v1",
          reversion: false,
          start_ts: START_S,
          end_ts: START_S + 5,
          manifest_digest: one,
          is_manifest_list: false,
          size: 3,
          last_modified: "Tue, 24 Nov 2026 02:00:00 -0000",
          expiration: "Tue, 24 Nov 2026 02:00:05 -0000",
          immutable: false,
        },
      ],
      page: 1,
      has_additional: false,
    });
    const active = await alice.expect(200, "GET", "/repository/acme/app/tag/?onlyActiveTags=true");
    expect(names(active)).toEqual(["multi", "v1"]);
  });
});

Deno.test("GET /repository/{r}/tag/: filters and pages; hidden tags are not shown", async () => {
  await withSite({}, async (site) => {
    const clock = stopClock(site.deps, START_MS);
    const content = await Content.of(site.deps, "acme/app");
    await content.image({ word: "untagged" });
    for (const tag of ["v1", "v1.1", "V1_rc", "latest"]) {
      clock.ms += 1000;
      await content.image({ word: tag, tag });
    }
    const alice = await site.browserOf("alice");
    const list = (query: string) => alice.expect(200, "GET", `/repository/acme/app/tag/${query}`);
    const rows: [query: string, names: string[]][] = [
      ["", ["latest", "V1_rc", "v1.1", "v1"]],
      ["?specificTag=v1", ["v1"]],
      ["?specificTag=none", []],
      ["?specificTag=", ["latest", "V1_rc", "v1.1", "v1"]],
      ["?filter_tag_name=eq:v1.1", ["v1.1"]],
      ["?filter_tag_name=eq:v1.1&specificTag=v1", []],
      ["?filter_tag_name=like:v1", ["V1_rc", "v1.1", "v1"]],
      ["?filter_tag_name=like:v1&specificTag=v1.1", ["v1.1"]],
      ["?filter_tag_name=like:_", ["V1_rc"]],
      ["?filter_tag_name=like:%25", []],
      ["?filter_tag_name=like:%5C", []],
      ["?filter_tag_name=like:", ["latest", "V1_rc", "v1.1", "v1"]],
      ["?limit=0", ["latest"]],
      ["?limit=1000&page=0", ["latest", "V1_rc", "v1.1", "v1"]],
      ["?limit=3", ["latest", "V1_rc", "v1.1"]],
      ["?limit=3&page=2", ["v1"]],
      ["?limit=2&page=2", ["v1.1", "v1"]],
      ["?page=999999999", []],
    ];
    for (const [query, wanted] of rows) expect([query, names(await list(query))]).toEqual([query, wanted]);
    expect(await list("?limit=3")).toMatchObject({ page: 1, has_additional: true });
    expect(await list("?limit=2&page=2")).toMatchObject({ page: 2, has_additional: false });
    for (const query of ["?filter_tag_name=v1", "?filter_tag_name=ne:v1", "?limit=many", "?page=1e3"]) {
      await alice.expect(400, "GET", `/repository/acme/app/tag/${query}`);
    }
  });
});

Deno.test("PUT /repository/{r}/tag/{t}: makes, moves, and keeps the past", async () => {
  await withSite({}, async (site) => {
    const clock = stopClock(site.deps, START_MS);
    const content = await Content.of(site.deps, "acme/app");
    const one = await content.image({ word: "one", tag: "v1" });
    const two = await content.image({ word: "two", tag: "v2", labels: { "quay.expires-after": "2h" } });
    const alice = await site.browserOf("alice");
    const put = (status: number, tag: string, body: unknown) =>
      alice.expect(status, "PUT", `/repository/acme/app/tag/${tag}`, body);
    clock.ms += 1000;
    expect(await put(201, "stable", { manifest_digest: one })).toBe("Updated");
    await put(201, "v1", { manifest_digest: two });
    const { tags } = await alice.expect(200, "GET", "/repository/acme/app/tag/?specificTag=v1");
    expect(tags.map((tag: Tag) => [tag.manifest_digest, tag.start_ts, tag.end_ts])).toEqual([
      // Its label counts from the moment of the move.
      [two, START_S + 1, START_S + 1 + 7200],
      [one, START_S, START_S + 1],
    ]);
    await put(404, "v1", { manifest_digest: NOWHERE });
    await put(404, "v1", { manifest_digest: "no digest" });
    await put(404, "missing", { expiration: null });
    await put(400, "-v1", { manifest_digest: one });
    await put(400, "x".repeat(129), { manifest_digest: one });
    await put(400, "v1", { manifest_digest: 7 });
    await put(400, "v1", undefined);
    await put(201, "v1", {});
  });
});

Deno.test("PUT /repository/{r}/tag/{t}: expiration is cut to its bounds after the tag's start", async () => {
  await withSite({ LABELED_EXPIRATION_MINIMUM: "1h", LABELED_EXPIRATION_MAXIMUM: "2w" }, async (site) => {
    const clock = stopClock(site.deps, START_MS);
    const content = await Content.of(site.deps, "acme/app");
    const digest = await content.image({ word: "one", tag: "v1" });
    const alice = await site.browserOf("alice");
    const put = (status: number, body: unknown) =>
      alice.expect(status, "PUT", "/repository/acme/app/tag/v1", body);
    const end = async () => {
      const { tags } = await alice.expect(200, "GET", "/repository/acme/app/tag/?onlyActiveTags=true");
      return tags[0]?.end_ts;
    };
    clock.ms += 60_000;
    await put(201, { expiration: START_S + 7200 });
    expect(await end()).toBe(START_S + 7200);
    await put(201, { expiration: START_S + 90 });
    expect(await end()).toBe(START_S + 3600);
    await put(201, { expiration: 1e300 });
    expect(await end()).toBe(START_S + 14 * 86_400);
    await put(201, { expiration: null });
    expect(await end()).toBe(undefined);
    for (const expiration of [START_S, 0, -1]) await put(400, { expiration });
    for (const expiration of ["soon", true, {}]) await put(400, { expiration });
    // Both at once: the end that is given stays, where Quay would drop it.
    await put(201, { manifest_digest: digest, expiration: START_S + 7200 });
    expect(await end()).toBe(START_S + 7200);
    await put(201, { expiration: null });
    clock.ms += 30 * 24 * HOUR_MS;
    // Cut to two weeks after the start the tag would be gone at once.
    await put(400, { expiration: Math.floor(clock.ms / 1000) + 60 });
    expect(await end()).toBe(undefined);
  });
});

Deno.test("DELETE, POST restore: what a tag meant comes back within the time machine", async () => {
  await withSite({}, async (site) => {
    const clock = stopClock(site.deps, START_MS);
    const content = await Content.of(site.deps, "acme/app");
    const one = await content.image({ word: "one", tag: "v1" });
    const alice = await site.browserOf("alice");
    const at = "/repository/acme/app/tag/v1";
    clock.ms += 1000;
    await alice.expect(204, "DELETE", at);
    await alice.expect(404, "DELETE", at);
    const restore = (status: number, body?: unknown) => alice.expect(status, "POST", `${at}/restore`, body);
    await restore(400);
    await restore(400, {});
    await restore(404, { manifest_digest: NOWHERE });
    clock.ms += 1000;
    expect(await restore(200, { manifest_digest: one })).toEqual({});
    const { tags } = await alice.expect(200, "GET", "/repository/acme/app/tag/");
    expect(tags.map((tag: Tag) => [tag.reversion, tag.start_ts, tag.end_ts])).toEqual([
      [true, START_S + 2, undefined],
      [false, START_S, START_S + 1],
    ]);
    await alice.expect(204, "DELETE", at);
    clock.ms += 14 * 24 * HOUR_MS;
    await restore(404, { manifest_digest: one });
  });
});

Deno.test("POST expire: takes the live tag or its past out of the time machine, with what keeps children", async () => {
  await withSite({ PERMANENTLY_DELETE_TAGS: true }, async (site) => {
    const clock = stopClock(site.deps, START_MS);
    const content = await Content.of(site.deps, "acme/app");
    const child = await content.image({ word: "child" });
    const index = await content.index([child], "v1");
    clock.ms += 1000;
    const two = await content.image({ word: "two", tag: "v1" });
    const alice = await site.browserOf("alice");
    const at = "/repository/acme/app/tag/v1";
    for (const manifest_digest of [index, two, index]) {
      clock.ms += 1000;
      await alice.expect(200, "POST", `${at}/restore`, { manifest_digest });
    }
    const expire = (status: number, body: unknown) => alice.expect(status, "POST", `${at}/expire`, body);
    const list = async () => (await alice.expect(200, "GET", "/repository/acme/app/tag/")).tags;
    expect((await list()).length).toBe(5);
    await expire(400, {});
    await expire(400, { is_alive: false, manifest_digest: null });
    await expire(404, { manifest_digest: NOWHERE });
    expect(await expire(200, { manifest_digest: two })).toBe(undefined);
    expect((await list()).map((tag: Tag) => tag.manifest_digest)).toEqual([index, index, index]);
    await expire(404, { manifest_digest: two });
    await alice.expect(200, "GET", `/repository/acme/app/tag/?specificTag=v1`);
    await expire(200, { is_alive: true, manifest_digest: index, include_submanifests: true });
    await expire(404, { is_alive: true });
    expect((await list()).length).toBe(2);
    const [hidden] = await site.deps.sql`
      select count(*)::integer as kept from tag t join manifest m on m.id = t.manifest_id
      where m.digest = ${child} and (t.lifetime_end_ms is null or t.lifetime_end_ms > ${clock.ms})`;
    expect(hidden?.kept).toBe(0);
    // The two ended periods of the index can still be restored; then they cannot.
    await expire(200, { manifest_digest: index });
    await alice.expect(404, "POST", `${at}/restore`, { manifest_digest: index });
    const ends = await site.deps.sql`select lifetime_end_ms as ms from tag where name = 'v1'`;
    expect(new Set(ends.map((row) => row.ms)).size).toBe(5);
    for (const { ms } of ends) expect(ms).toBeLessThanOrEqual(clock.ms - 14 * 24 * HOUR_MS);
  });
});

Deno.test("POST expire: there is no such address without PERMANENTLY_DELETE_TAGS", async () => {
  await withSite({}, async (site) => {
    const content = await Content.of(site.deps, "acme/app");
    await content.image({ word: "one", tag: "v1" });
    const alice = await site.browserOf("alice");
    await alice.expect(404, "POST", "/repository/acme/app/tag/v1/expire", { is_alive: true });
  });
});

Deno.test("tags of a repository that is read-only or a mirror stay as they are: 503", async () => {
  await withSite({ PERMANENTLY_DELETE_TAGS: true }, async (site) => {
    const content = await Content.of(site.deps, "acme/app", "public");
    const manifest_digest = await content.image({ word: "one", tag: "v1" });
    const at = "/repository/acme/app/tag/v1";
    for (const [state, name] of [[1, "READ_ONLY"], [2, "MIRROR"], [4, "MIRROR"]] as const) {
      await site.deps.sql`update repository set state = ${state}`;
      const alice = await site.browserOf("alice");
      const bob = await site.browserOf("bob");
      const calls: [method: string, path: string, body?: unknown][] = [
        ["PUT", at, { manifest_digest }],
        ["DELETE", at],
        ["POST", `${at}/restore`, { manifest_digest }],
        ["POST", `${at}/expire`, { is_alive: true }],
      ];
      for (const [method, path, body] of calls) {
        expect((await alice.expect(503, method, path, body)).message).toContain(name);
        await bob.expect(403, method, path, body);
      }
      expect(names(await bob.expect(200, "GET", "/repository/acme/app/tag/"))).toEqual(["v1"]);
    }
  });
});

Deno.test("FEATURE_RESTRICTED_USERS: no tag changes in the own namespace, all of them in an organization", async () => {
  await withSite({ FEATURE_RESTRICTED_USERS: true }, async (site) => {
    const own = await Content.of(site.deps, "alice/app");
    const ours = await Content.of(site.deps, "acme/app");
    const alice = await site.browserOf("alice");
    for (const [content, path, status] of [[own, "alice/app", 403], [ours, "acme/app", 201]] as const) {
      const manifest_digest = await content.image({ word: "one", tag: "v1" });
      await alice.expect(status, "PUT", `/repository/${path}/tag/v2`, { manifest_digest });
      await alice.expect(status === 403 ? 403 : 204, "DELETE", `/repository/${path}/tag/v1`);
      await alice.expect(200, "GET", `/repository/${path}/tag/`);
    }
  });
});

Deno.test("every change of a tag is told to the threads that remember what it meant", async () => {
  await withSite({ PERMANENTLY_DELETE_TAGS: true }, async (site) => {
    const content = await Content.of(site.deps, "acme/app");
    const manifest_digest = await content.image({ word: "one", tag: "v1" });
    const changes = new ChangeCounters(ChangeCounters.allocate());
    Object.assign(site.deps as { changes: Deps["changes"] }, { changes });
    const alice = await site.browserOf("alice");
    const at = "/repository/acme/app/tag/v1";
    const calls: [method: string, path: string, body?: unknown][] = [
      ["PUT", at, { manifest_digest }],
      ["PUT", at, { expiration: null }],
      ["DELETE", at],
      ["POST", `${at}/restore`, { manifest_digest }],
      ["POST", `${at}/expire`, { is_alive: true }],
    ];
    for (const [method, path, body] of calls) {
      const before = changes.count(content.repository.id);
      const response = await alice.api(method, path, body);
      await response.body?.cancel();
      expect([method, path, response.ok]).toEqual([method, path, true]);
      expect(changes.count(content.repository.id)).not.toBe(before);
    }
  });
});

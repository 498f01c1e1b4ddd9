import { expect } from "@std/testing";
import { OPERATOR, withSite } from "./site.ts";
import { setUserPermission } from "../../src/domain/access/repository_permissions.ts";
import type { ApiClient } from "./api_client.ts";
import { Content, stopClock } from "./content.ts";

async function list(client: ApiClient, query: string): Promise<string[]> {
  const { repositories } = await client.expect(200, "GET", `/repository?${query}`);
  return repositories.map((row: { namespace: string; name: string }) => `${row.namespace}/${row.name}`);
}

Deno.test("GET /repository?public=true: public ones besides those that are the caller's to see", async () => {
  await withSite({ GLOBAL_READONLY_SUPER_USERS: ["carol"] }, async (site) => {
    const { deps } = site;
    await Content.of(deps, "acme/open", "public");
    await Content.of(deps, "acme/secret");
    const shared = await Content.of(deps, "acme/shared");
    await Content.of(deps, "bob/own");
    await Content.of(deps, "root/own");
    await setUserPermission(deps, OPERATOR, shared.repository, "bob", "read");
    const [alice, bob, carol, root] = await Promise.all(
      ["alice", "bob", "carol", "root"].map((name) => site.browserOf(name)),
    );
    const everywhere = "public=true&last_modified=true";
    expect(await list(site.stranger(), everywhere)).toEqual(["acme/open"]);
    expect(await list(bob!, everywhere)).toEqual(["acme/open", "acme/shared", "bob/own"]);
    expect(await list(alice!, everywhere)).toEqual(["acme/open", "acme/secret", "acme/shared"]);
    expect(await list(root!, everywhere)).toEqual(["acme/open", "root/own"]);
    expect(await list(carol!, everywhere)).toHaveLength(5);
    expect(await list(await site.scriptOf("bob", ["user:read"]), everywhere)).toEqual(["acme/open"]);
    // As Quay's console asks for an organization's.
    const there = "public=true&last_modified=true&namespace=acme";
    expect(await list(alice!, there)).toEqual(["acme/open", "acme/secret", "acme/shared"]);
    expect(await list(bob!, there)).toEqual(["acme/open", "acme/shared"]);
    expect(await list(site.stranger(), there)).toEqual(["acme/open"]);
    await deps.sql`update "user" set enabled = false where username = 'bob'`;
    expect(await list(carol!, everywhere)).not.toContain("bob/own");
  });
});

Deno.test("GET /repository?public=true: pages of 100, each once, whatever else is private", async () => {
  await withSite({}, async (site) => {
    await site.deps.sql`
      insert into repository (namespace_user_id, name, visibility_id)
      select (select id from "user" where username = case when g % 2 = 0 then 'bob' else 'alice' end), 'r' || g,
        case when g % 3 = 0 then 1 else 2 end from generate_series(1, 600) g`;
    const bob = await site.browserOf("bob");
    const seen: number[] = [];
    for (let token: string | undefined = ""; token !== undefined;) {
      const page: { repositories: { name: string }[]; next_page?: string } = await bob.expect(
        200,
        "GET",
        `/repository?public=true${token === "" ? "" : `&next_page=${encodeURIComponent(token)}`}`,
      );
      expect(page.repositories.length).toBeLessThanOrEqual(100);
      seen.push(...page.repositories.map(({ name }) => Number(name.slice(1))));
      token = page.next_page;
    }
    const expected = Array.from({ length: 600 }, (_, at) => at + 1).filter((g) => g % 2 === 0 || g % 3 === 0);
    expect(seen).toEqual(expected);
  });
});

Deno.test("GET /repository/{repository}?includeStats=true: what was counted, three months of it", async () => {
  await withSite({}, async (site) => {
    const { repository } = await Content.of(site.deps, "acme/app");
    stopClock(site.deps, Date.UTC(2026, 10, 24, 12));
    await site.deps.sql`
      insert into repositoryactioncount (repository_id, count, date) values
        (${repository.id}, 5, '2026-11-23'), (${repository.id}, 9, '2026-01-01')`;
    const alice = await site.browserOf("alice");
    const { stats, tags } = await alice.expect(
      200,
      "GET",
      "/repository/acme/app?includeStats=true&includeTags=false",
    );
    expect(tags).toBe(undefined);
    expect(stats.length).toBe(91);
    expect(stats.at(-1)).toEqual({ date: "2026-11-23", count: 5 });
    expect(stats[0]).toEqual({ date: "2026-08-25", count: 0 });
    expect((await alice.expect(200, "GET", "/repository/acme/app")).stats).toBe(undefined);
  });
});

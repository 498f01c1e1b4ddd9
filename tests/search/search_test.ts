import { expect } from "@std/testing";
import { setUserPermission } from "../../src/domain/access/repository_permissions.ts";
import { fit } from "../../src/domain/repositories/search.ts";
import type { ApiClient } from "../api/api_client.ts";
import { Content, stopClock } from "../api/content.ts";
import { OPERATOR, withSite } from "../api/site.ts";

async function names(client: ApiClient, query: string): Promise<string[]> {
  const { results } = await client.expect(
    200,
    "GET",
    `/find/repositories?query=${encodeURIComponent(query)}`,
  );
  return results.map((found: { namespace: { name: string }; name: string }) =>
    `${found.namespace.name}/${found.name}`
  );
}

Deno.test("GET /find/repositories: by a part of name or description, in namespaces, the best first", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    for (const path of ["acme/nginx", "acme/nginx-proxy", "acme/my-nginx", "bob/nginx", "acme/redis"]) {
      await Content.of(deps, path, "public");
    }
    await deps.sql`update repository set description = 'Speaks to NGINX, 100%_sure' where name = 'redis'`;
    const anybody = site.stranger();
    expect(await names(anybody, "nginx")).toEqual([
      "acme/nginx",
      "bob/nginx",
      "acme/nginx-proxy",
      "acme/my-nginx",
      "acme/redis",
    ]);
    expect(await names(anybody, "NGINX ")).toEqual(await names(anybody, "nginx"));
    expect(await names(anybody, "ac/nginx")).toEqual([
      "acme/nginx",
      "acme/nginx-proxy",
      "acme/my-nginx",
      "acme/redis",
    ]);
    expect(await names(anybody, "acme/")).toHaveLength(4);
    expect(await names(anybody, "re")).toEqual(["acme/redis"]);
    expect(await names(anybody, "r")).toEqual(["acme/redis"]);
    expect(await names(anybody, "")).toHaveLength(5);
    // What LIKE and regular expressions take for something else is an ordinary letter.
    expect(await names(anybody, "100%_s")).toEqual(["acme/redis"]);
    for (const query of ["%", "%%%", "___", ".*", "\\", "'", "ngin_", "\u{10ffff}", "x".repeat(5000)]) {
      expect([query, await names(anybody, query)]).toEqual([query, []]);
    }
    await deps.sql`
      insert into repositorysearchscore (repository_id, score)
      select id, 100 from repository where name = 'my-nginx' or namespace_user_id = (
        select id from "user" where username = 'bob')`;
    expect((await names(anybody, "nginx")).slice(0, 2)).toEqual(["bob/nginx", "acme/nginx"]);
    expect((await names(anybody, "")).slice(0, 2).sort()).toEqual(["acme/my-nginx", "bob/nginx"]);
  });
});

Deno.test("GET /find/repositories: what is told of each", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    const clock = stopClock(deps, Date.UTC(2026, 10, 24, 2));
    const content = await Content.of(deps, "acme/app", "public");
    await content.image({ word: "one", tag: "v1" });
    await Content.of(deps, "acme/apple", "public");
    const bob = await site.browserOf("bob");
    await bob.expect(201, "POST", "/user/starred", { namespace: "acme", repository: "app" });
    await deps.sql`
      insert into repositoryactioncount (repository_id, count, date) values (${content.repository.id}, 7, '2026-11-23')`;
    expect(await bob.expect(200, "GET", "/find/repositories?query=app&includeUsage=true")).toEqual({
      results: [
        {
          kind: "repository",
          title: "repo",
          namespace: expect.objectContaining({
            kind: "organization",
            title: "org",
            name: "acme",
            href: "/organization/acme",
          }),
          name: "app",
          description: "",
          is_public: true,
          score: 4,
          href: "/repository/acme/app",
          last_modified: clock.ms / 1000,
          stars: 1,
          popularity: 7,
        },
        expect.objectContaining({ name: "apple", last_modified: null, stars: 0, popularity: 0 }),
      ],
      has_additional: false,
      page: 1,
      page_size: 10,
      start_index: 0,
    });
  });
});

Deno.test("GET /find/repositories: pages of SEARCH_RESULTS_PER_PAGE, up to SEARCH_MAX_RESULT_PAGE_COUNT", async () => {
  await withSite({ SEARCH_RESULTS_PER_PAGE: 3, SEARCH_MAX_RESULT_PAGE_COUNT: 2 }, async (site) => {
    for (let i = 0; i < 8; i++) await Content.of(site.deps, `acme/thing-${i}`, "public");
    const ask = (page: string) =>
      site.stranger().expect(200, "GET", `/find/repositories?query=thing&page=${page}`);
    const list = async (page: string) => (await ask(page)).results.map(({ name }: { name: string }) => name);
    expect(await list("1")).toEqual(["thing-0", "thing-1", "thing-2"]);
    expect(await list("2")).toEqual(["thing-3", "thing-4", "thing-5"]);
    expect(await ask("1")).toMatchObject({ page: 1, page_size: 3, start_index: 0, has_additional: true });
    // The last page that can be asked for says so.
    expect(await ask("2")).toMatchObject({ page: 2, start_index: 3, has_additional: false });
    expect(await ask("99")).toMatchObject({ page: 2 });
    expect(await ask("-1")).toMatchObject({ page: 1 });
    await site.stranger().expect(400, "GET", "/find/repositories?query=thing&page=x");
  });
});

Deno.test("find/*: nobody finds, or counts, what they may not see", async () => {
  await withSite({ SEARCH_RESULTS_PER_PAGE: 2, GLOBAL_READONLY_SUPER_USERS: ["carol"] }, async (site) => {
    const { deps } = site;
    for (let i = 0; i < 9; i++) await Content.of(deps, `acme/secret-${i}`);
    const shared = await Content.of(deps, "acme/secret-shared");
    await setUserPermission(deps, OPERATOR, shared.repository, "bob", "read");
    const [alice, bob, carol] = await Promise.all(
      ["alice", "bob", "carol"].map((name) => site.browserOf(name)),
    );
    const root = await site.browserOf("root");
    const ask = (client: ApiClient) => client.expect(200, "GET", "/find/repositories?query=secret");
    for (const client of [site.stranger(), root]) {
      expect(await ask(client)).toMatchObject({ results: [], has_additional: false });
    }
    expect(await names(bob!, "secret")).toEqual(["acme/secret-shared"]);
    expect(await ask(bob!)).toMatchObject({ has_additional: false });
    for (const client of [alice!, carol!]) expect(await ask(client)).toMatchObject({ has_additional: true });
    const limited = await site.scriptOf("alice", ["user:read"]);
    expect(await names(limited, "secret")).toEqual([]);
    const reading = await site.scriptOf("alice", ["repo:read"]);
    expect(await names(reading, "secret")).toHaveLength(2);
    for (const client of [site.stranger(), root]) {
      const { results } = await client.expect(200, "GET", "/find/all?query=secret");
      expect(results).toEqual([]);
    }
    // Of a namespace that shows nothing to the caller only its members know.
    const all = async (client: ApiClient) =>
      (await client.expect(200, "GET", "/find/all?query=acme")).results.map(({ name }: { name: string }) =>
        name
      );
    expect(await all(site.stranger())).toEqual([]);
    expect(await all(root)).toEqual([]);
    expect(await all(bob!)).toEqual(["acme"]);
    expect(await all(alice!)).toEqual(["acme"]);
    await deps.sql`update "user" set enabled = false where username = 'acme'`;
    expect(await names(bob!, "secret")).toEqual([]);
    await deps.sql`update "user" set enabled = true where username = 'acme'`;
    await alice!.expect(204, "DELETE", "/repository/acme/secret-shared");
    expect(await names(bob!, "secret")).toEqual([]);
  });
  await withSite({ FEATURE_SUPERUSERS_FULL_ACCESS: true }, async (site) => {
    await Content.of(site.deps, "acme/secret");
    expect(await names(await site.browserOf("root"), "secret")).toEqual(["acme/secret"]);
  });
});

Deno.test("GET /find/all: teams, robots, repositories, people and organizations by how well they fit", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    await Content.of(deps, "acme/cream", "public");
    await Content.of(deps, "bob/other", "public");
    const alice = await site.browserOf("alice");
    await alice.expect(201, "PUT", "/organization/acme/robots/creator");
    await alice.expect(201, "PUT", "/user/robots/crew");
    const { results } = await alice.expect(200, "GET", "/find/all?query=cre");
    expect(results.map((found: { kind: string; name: string }) => `${found.kind} ${found.name}`)).toEqual([
      "repository cream",
      "team creators",
      "robot acme+creator",
      "robot alice+crew",
    ]);
    expect(results[1]).toMatchObject({
      organization: { name: "acme", kind: "organization" },
      href: "/organization/acme/teams/creators",
      score: 1.8,
    });
    expect(results[2]).toMatchObject({
      short_name: "creator",
      avatar: null,
      href: "/organization/acme?tab=robots&showRobot=acme%2Bcreator",
    });
    expect(results[3].href).toBe("/user/alice?tab=robots&showRobot=alice%2Bcrew");
    expect((await alice.expect(200, "GET", "/find/all?query=bob")).results).toEqual([
      expect.objectContaining({ kind: "user", name: "bob", href: "/user/bob", score: 1 }),
    ]);
    expect(await alice.expect(200, "GET", "/find/all?query=")).toEqual({ results: [] });
    expect(await alice.expect(200, "GET", "/find/all")).toEqual({ results: [] });
    // Teams and robots are their members' to know.
    for (const client of [await site.browserOf("bob"), site.stranger()]) {
      const found = await client.expect(200, "GET", "/find/all?query=cre");
      expect(found.results.map(({ name }: { name: string }) => name)).toEqual(["cream"]);
    }
  });
});

Deno.test("GET /entities/{prefix}: people for everybody, robots and teams for those who belong there", async () => {
  await withSite({}, async (site) => {
    const [alice, bob, carol] = await Promise.all(
      ["alice", "bob", "carol"].map((name) => site.browserOf(name)),
    );
    await alice!.expect(201, "PUT", "/organization/acme/robots/carrier");
    await bob!.expect(201, "PUT", "/user/robots/car");
    const entities = async (client: ApiClient, prefix: string, query = "") =>
      (await client.expect(200, "GET", `/entities/${encodeURIComponent(prefix)}${query}`)).results
        .map((found: { kind: string; name: string; is_org_member?: boolean }) =>
          `${found.kind} ${found.name}${found.is_org_member === undefined ? "" : ` ${found.is_org_member}`}`
        );
    expect(await entities(site.stranger(), "ca")).toEqual(["user carol"]);
    expect(await entities(site.stranger(), "ca", "?namespace=acme&includeTeams=true&includeOrgs=true"))
      .toEqual(["user carol"]);
    expect(await entities(alice!, "CA ", "?namespace=acme")).toEqual([
      "user acme+carrier true",
      "user carol true",
    ]);
    expect(await entities(carol!, "b", "?namespace=acme")).toEqual(["user bob false"]);
    expect(await entities(alice!, "acme+ca", "?namespace=acme")).toEqual(["user acme+carrier true"]);
    expect(await entities(alice!, "cr", "?namespace=acme&includeTeams=true")).toEqual(["team creators true"]);
    expect(await entities(alice!, "ac", "?namespace=acme&includeOrgs=true")).toEqual(["org acme true"]);
    expect(await entities(bob!, "car", "?namespace=bob")).toEqual(["user bob+car", "user carol"]);
    expect(await entities(alice!, "car", "?namespace=bob")).toEqual(["user carol"]);
    expect(await entities(alice!, "acme")).toEqual([]);
    await site.deps.sql`update "user" set enabled = false where username = 'carol'`;
    expect(await entities(alice!, "ca")).toEqual([]);
    const { results } = await alice!.expect(200, "GET", "/entities/bob");
    expect(results).toEqual([{
      name: "bob",
      kind: "user",
      is_robot: false,
      avatar: expect.objectContaining({ kind: "user", name: "bob" }),
    }]);
    await alice!.expect(404, "POST", "/entities/link/somebody", {});
  });
});

Deno.test("GET /entities/{prefix}: ten at most, the exact name first; whole names only without partial completion", async () => {
  await withSite({}, async (site) => {
    await site.deps.sql`
      insert into "user" (username, email) select 'zed' || g, 'z' || g from generate_series(0, 20) g
      union all select 'zed', 'z'`;
    const { results } = await site.stranger().expect(200, "GET", "/entities/zed");
    expect(results.length).toBe(10);
    expect(results[0].name).toBe("zed");
  });
  await withSite({ FEATURE_PARTIAL_USER_AUTOCOMPLETE: false }, async (site) => {
    const stranger = site.stranger();
    expect((await stranger.expect(200, "GET", "/entities/bo")).results).toEqual([]);
    expect((await stranger.expect(200, "GET", "/entities/bob")).results.length).toBe(1);
  });
});

Deno.test("fit() exact, then beginning, then a word, then anywhere", () => {
  const names = ["app", "apple", "my-app", "snapp", "other"];
  const scores = names.map((name) => fit(name, "app"));
  expect(scores).toEqual([...scores].sort((a, b) => b - a));
  expect(new Set(scores).size).toBe(names.length);
  expect([scores[0], scores.at(-1)]).toEqual([1, 0.5]);
});

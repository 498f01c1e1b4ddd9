import { expect } from "@std/testing";
import { Content, stopClock } from "./content.ts";
import { withSite } from "./site.ts";

const paths = (answer: { repositories: { namespace: string; name: string }[] }) =>
  answer.repositories.map(({ namespace, name }) => `${namespace}/${name}`);

Deno.test("user/starred: star, list, take the star away", async () => {
  await withSite({}, async (site) => {
    await Content.of(site.deps, "acme/secret");
    await Content.of(site.deps, "acme/open", "public");
    const alice = await site.browserOf("alice");
    const star = (status: number, namespace: string, repository: string) =>
      alice.expect(status, "POST", "/user/starred", { namespace, repository });
    expect(await star(201, "acme", "open")).toEqual({ namespace: "acme", repository: "open" });
    await star(201, "acme", "open");
    await star(201, "acme", "secret");
    await star(404, "acme", "missing");
    await star(403, "nowhere", "missing");
    await alice.expect(400, "POST", "/user/starred", { namespace: "acme" });
    expect(await alice.expect(200, "GET", "/user/starred")).toEqual({
      repositories: [
        { namespace: "acme", name: "secret", description: "", is_public: false },
        { namespace: "acme", name: "open", description: "", is_public: true },
      ],
    });
    expect((await alice.expect(200, "GET", "/repository/acme/open")).is_starred).toBe(true);
    const listed = await alice.expect(200, "GET", "/repository?starred=true");
    expect(paths(listed)).toEqual(["acme/secret", "acme/open"]);
    expect(listed.repositories[0].is_starred).toBe(true);
    await alice.expect(204, "DELETE", "/user/starred/acme/open");
    await alice.expect(404, "DELETE", "/user/starred/acme/open");
    expect(paths(await alice.expect(200, "GET", "/user/starred"))).toEqual(["acme/secret"]);
    const { repositories } = await alice.expect(200, "GET", "/repository?namespace=acme");
    const starred = repositories.map((row: { is_starred: boolean }) => row.is_starred);
    expect(starred).toEqual([false, true]);
    const forStrangers = await site.stranger().expect(200, "GET", "/repository?public=true");
    expect(forStrangers.repositories[0].is_starred).toBe(undefined);
    await site.stranger().expect(401, "GET", "/repository?starred=true");
  });
});

Deno.test("user/starred: a star is no right", async () => {
  await withSite({}, async (site) => {
    await Content.of(site.deps, "acme/secret");
    const [alice, bob] = [await site.browserOf("alice"), await site.browserOf("bob")];
    const grant = "/repository/acme/secret/permissions/user/bob";
    await bob.expect(403, "POST", "/user/starred", { namespace: "acme", repository: "secret" });
    await alice.expect(200, "PUT", grant, { role: "read" });
    await bob.expect(201, "POST", "/user/starred", { namespace: "acme", repository: "secret" });
    expect(paths(await bob.expect(200, "GET", "/user/starred"))).toEqual(["acme/secret"]);
    const limited = await site.scriptOf("bob", ["user:read"]);
    expect(paths(await limited.expect(200, "GET", "/user/starred"))).toEqual([]);
    await alice.expect(204, "DELETE", grant);
    for (const path of ["/user/starred", "/repository?starred=true"]) {
      expect(paths(await bob.expect(200, "GET", path))).toEqual([]);
    }
  });
});

Deno.test("user/starred: pages of 100", async () => {
  await withSite({}, async (site) => {
    await site.deps.sql`
      insert into repository (namespace_user_id, name, visibility_id, description, badge_token, kind_id, trust_enabled, state)
      select u.id, 'r' || lpad(g::text, 3, '0'), v.id, '', '', k.id, false, 0
      from "user" u, visibility v, repositorykind k, generate_series(1, 205) g
      where u.username = 'alice' and v.name = 'private' and k.name = 'image'`;
    await site.deps
      .sql`insert into star (user_id, repository_id) select namespace_user_id, id from repository`;
    const alice = await site.browserOf("alice");
    const seen: string[] = [];
    const sizes: number[] = [];
    for (let token: string | undefined = ""; token !== undefined;) {
      const query: string = token === "" ? "" : `?next_page=${encodeURIComponent(token)}`;
      const page = await alice.expect(200, "GET", `/user/starred${query}`);
      seen.push(...paths(page));
      sizes.push(page.repositories.length);
      token = page.next_page;
    }
    expect(sizes).toEqual([100, 100, 5]);
    expect(new Set(seen).size).toBe(205);
  });
});

Deno.test("GET /repository: last_modified is the youngest live tag's, popularity what was counted", async () => {
  await withSite({}, async (site) => {
    const clock = stopClock(site.deps, Date.UTC(2026, 10, 24, 2));
    const content = await Content.of(site.deps, "acme/app");
    await Content.of(site.deps, "acme/empty");
    await content.image({ word: "one", tag: "v1" });
    clock.ms += 60_000;
    await content.image({ word: "two", tag: "v2" });
    clock.ms += 60_000;
    const alice = await site.browserOf("alice");
    await alice.expect(204, "DELETE", "/repository/acme/app/tag/v2");
    await site.deps.sql`
      insert into repositoryactioncount (repository_id, count, date) values
        (${content.repository.id}, 40, '2026-11-23'), (${content.repository.id}, 2, '2026-11-17'),
        (${content.repository.id}, 1000, '2026-11-16')`;
    const { repositories } = await alice.expect(
      200,
      "GET",
      "/repository?namespace=acme&last_modified=true&popularity=true",
    );
    expect(repositories).toEqual([
      expect.objectContaining({
        name: "app",
        last_modified: Date.UTC(2026, 10, 24, 2) / 1000,
        popularity: 42,
      }),
      expect.objectContaining({ name: "empty", last_modified: null, popularity: 0 }),
    ]);
  });
});

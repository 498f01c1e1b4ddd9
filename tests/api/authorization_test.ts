import { expect } from "@std/testing";
import { createRepository } from "../../src/domain/repositories.ts";
import { createRobot } from "../../src/domain/robots.ts";
import { API_ROUTES } from "../../src/http/api/api.ts";
import { RouteTable } from "../../src/http/api/route.ts";
import type { ApiClient } from "./api_client.ts";
import { Content } from "./content.ts";
import { OPERATOR, type Site, withSite } from "./site.ts";

/**
 * Endpoint x actor -> status. `alice` owns the organization acme, `carol` is a plain member of it, `bob` is neither,
 * `root` is a superuser; `reader` is a token of alice with `repo:read` alone, `creator` one with `repo:create`.
 */
const ACTORS = ["nobody", "bob", "carol", "alice", "root", "reader", "creator"] as const;
type ActorName = (typeof ACTORS)[number];

interface Row {
  call: [method: string, path: string, body?: unknown];
  /** In the order of ACTORS. */
  status: [number, number, number, number, number, number, number];
}

const TABLE: Row[] = [
  { call: ["GET", "/user/"], status: [401, 200, 200, 200, 200, 403, 403] },
  { call: ["GET", "/error/not_found"], status: [200, 200, 200, 200, 200, 200, 200] },
  { call: ["GET", "/organization/acme"], status: [200, 200, 200, 200, 200, 200, 200] },
  { call: ["GET", "/organization/nowhere"], status: [404, 404, 404, 404, 404, 404, 404] },
  { call: ["POST", "/organization/", { name: "made-{actor}" }], status: [403, 201, 201, 201, 201, 403, 403] },
  { call: ["DELETE", "/organization/acme-{actor}"], status: [403, 403, 403, 403, 403, 403, 403] },
  {
    call: ["PUT", "/organization/acme/team/new-{actor}", { role: "member" }],
    status: [403, 403, 403, 200, 403, 403, 403],
  },
  { call: ["GET", "/organization/acme/prototypes"], status: [401, 403, 403, 200, 403, 403, 403] },
  { call: ["GET", "/organization/nowhere/prototypes"], status: [401, 403, 403, 403, 403, 403, 403] },
  {
    call: ["POST", "/organization/acme/prototypes", {
      role: "read",
      delegate: { name: "bob", kind: "user" },
    }],
    status: [403, 403, 403, 200, 403, 403, 403],
  },
  {
    call: ["PUT", "/organization/acme/prototypes/none", { role: "read" }],
    status: [403, 403, 403, 404, 403, 403, 403],
  },
  { call: ["DELETE", "/organization/acme/prototypes/none"], status: [403, 403, 403, 404, 403, 403, 403] },
  { call: ["GET", "/organization/acme/team/owners/members"], status: [401, 403, 403, 200, 403, 403, 403] },
  {
    call: ["PUT", "/organization/acme/team/creators/members/bob"],
    status: [403, 403, 403, 200, 403, 403, 403],
  },
  {
    call: ["DELETE", "/organization/acme/team/creators/members/bob"],
    status: [403, 403, 403, 204, 403, 403, 403],
  },
  { call: ["GET", "/organization/acme/robots"], status: [401, 403, 200, 200, 403, 403, 403] },
  { call: ["GET", "/organization/acme/robots/ci"], status: [401, 403, 403, 200, 403, 403, 403] },
  { call: ["PUT", "/organization/acme/robots/r-{actor}"], status: [403, 403, 403, 201, 403, 403, 403] },
  { call: ["POST", "/organization/acme/robots/ci/regenerate"], status: [403, 403, 403, 200, 403, 403, 403] },
  { call: ["GET", "/user/robots"], status: [401, 200, 200, 200, 200, 403, 403] },
  { call: ["PUT", "/user/robots/mine"], status: [403, 201, 201, 201, 201, 403, 403] },
  {
    call: ["POST", "/repository", {
      namespace: "acme",
      repository: "n-{actor}",
      visibility: "private",
      description: "",
    }],
    status: [403, 403, 403, 201, 403, 403, 201],
  },
  { call: ["GET", "/repository?namespace=acme"], status: [200, 200, 200, 200, 200, 200, 200] },
  { call: ["GET", "/repository"], status: [400, 400, 400, 400, 400, 400, 400] },
  { call: ["GET", "/repository/acme/secret"], status: [401, 403, 403, 200, 403, 200, 403] },
  { call: ["GET", "/repository/acme/open"], status: [200, 200, 200, 200, 200, 200, 200] },
  // To strangers a missing repository looks like a foreign one.
  { call: ["GET", "/repository/acme/missing"], status: [401, 403, 403, 404, 403, 403, 404] },
  {
    call: ["PUT", "/repository/acme/secret", { description: "x" }],
    status: [403, 403, 403, 200, 403, 403, 403],
  },
  {
    call: ["POST", "/repository/acme/secret/changevisibility", { visibility: "private" }],
    status: [403, 403, 403, 200, 403, 403, 403],
  },
  {
    call: ["PUT", "/repository/acme/secret/changestate", { state: "NORMAL" }],
    status: [403, 403, 403, 200, 403, 403, 403],
  },
  { call: ["GET", "/repository/acme/secret/permissions/user/"], status: [401, 403, 403, 200, 403, 403, 403] },
  {
    call: ["PUT", "/repository/acme/open/permissions/user/carol", { role: "write" }],
    status: [403, 403, 403, 200, 403, 403, 403],
  },
  {
    call: ["DELETE", "/repository/acme/open/permissions/user/carol"],
    status: [403, 403, 403, 204, 403, 403, 403],
  },
  {
    call: ["PUT", "/repository/acme/open/permissions/team/members", { role: "read" }],
    status: [403, 403, 403, 200, 403, 403, 403],
  },
  {
    call: ["DELETE", "/repository/acme/open/permissions/team/members"],
    status: [403, 403, 403, 204, 403, 403, 403],
  },
  { call: ["GET", "/repository/acme/secret/tag/"], status: [401, 403, 403, 200, 403, 200, 403] },
  { call: ["GET", "/repository/acme/open/tag/"], status: [200, 200, 200, 200, 200, 200, 200] },
  {
    call: ["PUT", "/repository/acme/open/tag/{actor}", { manifest_digest: "{digest}" }],
    status: [403, 403, 403, 201, 403, 403, 403],
  },
  {
    call: ["PUT", "/repository/acme/missing/tag/v1", { manifest_digest: "{digest}" }],
    status: [403, 403, 403, 404, 403, 403, 404],
  },
  { call: ["DELETE", "/repository/acme/open/tag/{actor}"], status: [403, 403, 403, 204, 403, 403, 403] },
  {
    call: ["POST", "/repository/acme/open/tag/{actor}/restore", { manifest_digest: "{digest}" }],
    status: [403, 403, 403, 200, 403, 403, 403],
  },
  {
    call: ["POST", "/repository/acme/open/tag/{actor}/expire", { is_alive: true }],
    status: [403, 403, 403, 200, 403, 403, 403],
  },
  { call: ["GET", "/repository/acme/secret/manifest/{digest}"], status: [401, 403, 403, 404, 403, 404, 403] },
  { call: ["GET", "/repository/acme/open/manifest/{digest}"], status: [200, 200, 200, 200, 200, 200, 200] },
  {
    call: ["GET", "/repository/acme/open/manifest/{digest}/labels"],
    status: [200, 200, 200, 200, 200, 200, 200],
  },
  {
    call: ["POST", "/repository/acme/open/manifest/{digest}/labels", {
      key: "a",
      value: "b",
      media_type: null,
    }],
    status: [403, 403, 403, 201, 403, 403, 403],
  },
  {
    call: ["GET", "/repository/acme/open/manifest/{digest}/labels/none"],
    status: [404, 404, 404, 404, 404, 404, 404],
  },
  {
    call: ["DELETE", "/repository/acme/open/manifest/{digest}/labels/none"],
    status: [403, 403, 403, 404, 403, 403, 403],
  },
  {
    call: ["POST", "/user/starred", { namespace: "acme", repository: "open" }],
    status: [403, 201, 201, 201, 201, 403, 403],
  },
  { call: ["GET", "/user/starred"], status: [401, 200, 200, 200, 200, 403, 403] },
  { call: ["GET", "/repository?starred=true"], status: [401, 200, 200, 200, 200, 403, 403] },
  { call: ["DELETE", "/user/starred/acme/open"], status: [403, 204, 204, 204, 204, 403, 403] },
  { call: ["GET", "/discovery"], status: [200, 200, 200, 200, 200, 200, 200] },
  { call: ["GET", "/openapi.json"], status: [200, 200, 200, 200, 200, 200, 200] },
  { call: ["GET", "/docs"], status: [200, 200, 200, 200, 200, 200, 200] },
  { call: ["GET", "/user/robots/mine"], status: [401, 200, 200, 200, 200, 403, 403] },
  { call: ["GET", "/user/robots/mine/permissions"], status: [401, 200, 200, 200, 200, 403, 403] },
  { call: ["POST", "/user/robots/mine/regenerate"], status: [403, 200, 200, 200, 200, 403, 403] },
  { call: ["DELETE", "/user/robots/mine"], status: [403, 204, 204, 204, 204, 403, 403] },
  { call: ["GET", "/organization/acme/robots/ci/permissions"], status: [401, 403, 403, 200, 403, 403, 403] },
  { call: ["DELETE", "/organization/acme/robots/ci"], status: [403, 403, 403, 204, 403, 403, 403] },
  { call: ["DELETE", "/organization/acme/team/creators"], status: [403, 403, 403, 204, 403, 403, 403] },
  {
    call: ["GET", "/repository/acme/open/permissions/user/alice"],
    status: [401, 403, 403, 404, 403, 403, 403],
  },
  { call: ["GET", "/repository/acme/open/permissions/team/"], status: [401, 403, 403, 200, 403, 403, 403] },
  {
    call: ["GET", "/repository/acme/open/permissions/team/members"],
    status: [401, 403, 403, 404, 403, 403, 403],
  },
  { call: ["DELETE", "/repository/acme/secret"], status: [403, 403, 403, 204, 403, 403, 404] },
  { call: ["POST", "/signin", {}], status: [403, 400, 400, 400, 400, 400, 400] },
  { call: ["POST", "/signin/verify", {}], status: [403, 400, 400, 400, 400, 400, 400] },
  { call: ["POST", "/user/initialize", {}], status: [400, 400, 400, 400, 400, 400, 400] },
  { call: ["POST", "/signout"], status: [403, 200, 200, 200, 200, 403, 403] },
];

Deno.test("every endpoint has its row in the table", () => {
  const routes = new RouteTable(API_ROUTES);
  const missing = new Set(API_ROUTES.map((route) => route.operationId));
  for (const { call: [method, path] } of TABLE) {
    const match = routes.find(method, path.split("?", 1)[0]!);
    if (match.kind === "route") missing.delete(match.route.operationId);
  }
  expect([...missing]).toEqual([]);
});

async function clientsOf(site: Site): Promise<Record<ActorName, ApiClient>> {
  return {
    nobody: site.stranger(),
    bob: await site.browserOf("bob"),
    carol: await site.browserOf("carol"),
    alice: await site.browserOf("alice"),
    root: await site.browserOf("root"),
    reader: await site.scriptOf("alice", ["repo:read"]),
    creator: await site.scriptOf("alice", ["repo:create"]),
  };
}

/** @returns the digest of an image in `acme/open` */
async function fill({ deps }: Site): Promise<string> {
  await createRepository(deps, OPERATOR, { namespace: "acme", name: "secret", visibility: "private" });
  await createRobot(deps, OPERATOR, { namespace: "acme", short: "ci" });
  return await (await Content.of(deps, "acme/open", "public")).image({ word: "one", tag: "v1" });
}

Deno.test("every endpoint: who gets which status", async () => {
  await withSite({ FEATURE_REPO_MIRROR: true, PERMANENTLY_DELETE_TAGS: true }, async (site) => {
    const digest = await fill(site);
    const clients = await clientsOf(site);
    const wrong: string[] = [];
    for (const { call: [method, path, body], status } of TABLE) {
      for (const [index, actor] of ACTORS.entries()) {
        const named = (text: string) => text.replaceAll("{actor}", actor).replaceAll("{digest}", digest);
        const sent = body === undefined ? undefined : JSON.parse(named(JSON.stringify(body)));
        const response = await clients[actor].api(method, named(path), sent);
        const text = await response.text();
        if (response.status !== status[index]) {
          wrong.push(
            `${method} ${path} as ${actor}: ${response.status} instead of ${status[index]}: ${text}`,
          );
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});

Deno.test("FEATURE_SUPERUSERS_FULL_ACCESS: opens what belongs to others, to superusers alone", async () => {
  await withSite({ FEATURE_SUPERUSERS_FULL_ACCESS: true }, async (site) => {
    await fill(site);
    const root = await site.browserOf("root");
    await root.expect(200, "GET", "/repository/acme/secret");
    await root.expect(200, "GET", "/organization/acme/robots/ci");
    await root.expect(200, "GET", "/repository/acme/secret/tag/");
    await root.expect(204, "DELETE", "/repository/acme/open/tag/v1");
    await root.expect(404, "GET", "/repository/acme/missing");
    const limited = await site.scriptOf("root", ["repo:read"]);
    await limited.expect(403, "GET", "/organization/acme/robots/ci");
    const bob = await site.browserOf("bob");
    await bob.expect(403, "GET", "/repository/acme/secret");
  });
});

Deno.test("GET /repository?namespace=: shows what the caller may see", async () => {
  await withSite({}, async (site) => {
    await fill(site);
    const seenBy = async (client: ApiClient) => {
      const { repositories } = await client.expect(200, "GET", "/repository?namespace=acme");
      return repositories.map((row: { name: string }) => row.name);
    };
    expect(await seenBy(site.stranger())).toEqual(["open"]);
    expect(await seenBy(await site.browserOf("bob"))).toEqual(["open"]);
    expect(await seenBy(await site.browserOf("alice"))).toEqual(["open", "secret"]);
    expect(await seenBy(await site.scriptOf("alice", ["user:read"]))).toEqual(["open"]);
    expect(await seenBy(await site.scriptOf("alice", ["repo:read"]))).toEqual(["open", "secret"]);
    const alice = await site.browserOf("alice");
    await alice.expect(200, "PUT", "/repository/acme/secret/permissions/user/bob", { role: "read" });
    expect(await seenBy(await site.browserOf("bob"))).toEqual(["open", "secret"]);
  });
});

import { expect } from "@std/testing";
import { withWorld } from "./world.ts";
import { rowsOf } from "./rows.ts";

const AT = "/repository/acme/app";

Deno.test("GET …/pull_statistics: pulls of a tag, and of a manifest by whatever name", async () => {
  await withWorld({ FEATURE_IMAGE_PULL_STATS: true }, async (world) => {
    const { deps, alice, registry, actorOf, digests: [digest, other] } = world;
    const puller = await actorOf("alice");
    const pull = async (reference: string) =>
      expect((await registry(puller, "GET", `/v2/acme/app/manifests/${reference}`)).status).toBe(200);
    expect(await alice.expect(200, "GET", `${AT}/tag/v1/pull_statistics`)).toEqual({
      tag_name: "v1",
      tag_pull_count: 0,
      last_tag_pull_date: null,
      current_manifest_digest: digest,
      manifest_pull_count: 0,
      last_manifest_pull_date: null,
    });
    for (const reference of ["v1", "v1", digest]) await pull(reference);
    await deps.actions.flush();
    await pull("v1");
    await deps.actions.flush();
    const date = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(await alice.expect(200, "GET", `${AT}/tag/v1/pull_statistics`)).toEqual({
      tag_name: "v1",
      tag_pull_count: 3,
      last_tag_pull_date: date,
      current_manifest_digest: digest,
      manifest_pull_count: 4,
      last_manifest_pull_date: date,
    });
    expect(await alice.expect(200, "GET", `${AT}/manifest/${digest}/pull_statistics`)).toEqual({
      manifest_digest: digest,
      manifest_pull_count: 4,
      last_manifest_pull_date: date,
    });
    await alice.expect(201, "PUT", `${AT}/tag/v1`, { manifest_digest: other });
    expect(await alice.expect(200, "GET", `${AT}/tag/v1/pull_statistics`)).toMatchObject({
      tag_pull_count: 3,
      current_manifest_digest: other,
      manifest_pull_count: 0,
    });
    await alice.expect(404, "GET", `${AT}/tag/nowhere/pull_statistics`);
    await alice.expect(404, "GET", `${AT}/manifest/sha256:${"0".repeat(64)}/pull_statistics`);
    expect((await rowsOf(deps)).filter(({ kind }) => kind === "pull_repo").length).toBe(4);
  });
});

Deno.test("pull statistics: counted too where pulls are not logged; a repository that is gone stops nobody's", async () => {
  const config = { FEATURE_IMAGE_PULL_STATS: true, DISABLED_FOR_PULL_LOGS: ["acme"] };
  await withWorld(config, async ({ deps, alice, registry, actorOf }) => {
    expect((await registry(await actorOf("alice"), "GET", "/v2/acme/app/manifests/v1")).status).toBe(200);
    const gone = { repositoryId: 999_999, digest: "sha256:0", tag: "v1", atMs: 0 };
    deps.actions.offer({ pull: gone });
    await deps.actions.flush();
    expect((await alice.expect(200, "GET", `${AT}/tag/v1/pull_statistics`)).tag_pull_count).toBe(1);
    expect((await rowsOf(deps)).filter(({ kind }) => kind === "pull_repo")).toEqual([]);
  });
});

Deno.test("GET …/pull_statistics: 404 without FEATURE_IMAGE_PULL_STATS, and nothing is counted", async () => {
  await withWorld({}, async ({ deps, alice, registry, actorOf, digests: [digest] }) => {
    await registry(await actorOf("alice"), "GET", "/v2/acme/app/manifests/v1");
    await deps.actions.flush();
    await alice.expect(404, "GET", `${AT}/tag/v1/pull_statistics`);
    await alice.expect(404, "GET", `${AT}/manifest/${digest}/pull_statistics`);
    expect([...await deps.sql`select from tagpullstatistics`]).toEqual([]);
  });
});

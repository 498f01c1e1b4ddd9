import { expect } from "@std/testing";
import { putManifest } from "../../src/domain/content/manifests.ts";
import { deleteManifest, deleteTag } from "../../src/domain/content/tags.ts";
import { OCI_MANIFEST } from "../../src/oci/media_types.ts";
import { Content, stopClock } from "./content.ts";
import { type Site, withSite } from "./site.ts";

const START_MS = Date.UTC(2026, 10, 24, 2, 0, 0);
const IN_A_DAY_S = START_MS / 1000 + 86_400;
const TAG = "/repository/acme/app/tag/v1";

async function immutableOf(site: Site, name = "v1"): Promise<boolean> {
  const alice = await site.browserOf("alice");
  const path = `/repository/acme/app/tag/?onlyActiveTags=true&specificTag=${name}`;
  return (await alice.expect(200, "GET", path)).tags[0].immutable;
}

Deno.test("PUT /repository/{r}/tag/{tag}: who may write makes it immutable, who administers takes that back", async () => {
  await withSite({ FEATURE_IMMUTABLE_TAGS: true }, async (site) => {
    stopClock(site.deps, START_MS);
    const content = await Content.of(site.deps, "acme/app");
    const digest = await content.image({ word: "one", tag: "v1" });
    const alice = await site.browserOf("alice");
    await alice.expect(200, "PUT", "/repository/acme/app/permissions/user/carol", { role: "write" });
    const carol = await site.browserOf("carol");
    expect(await immutableOf(site)).toBe(false);
    await carol.expect(403, "PUT", TAG, { immutable: false });
    expect(await carol.expect(201, "PUT", TAG, { immutable: true })).toBe("Updated");
    expect(await immutableOf(site)).toBe(true);
    await carol.expect(403, "PUT", TAG, { immutable: false });
    expect(await immutableOf(site)).toBe(true);
    await alice.expect(201, "PUT", TAG, { immutable: false });
    expect(await immutableOf(site)).toBe(false);
    await alice.expect(404, "PUT", "/repository/acme/app/tag/none", { immutable: true });
    await alice.expect(400, "PUT", TAG, { immutable: "yes" });
    // Made and protected at once.
    await alice.expect(201, "PUT", "/repository/acme/app/tag/v2", {
      manifest_digest: digest,
      immutable: true,
    });
    expect(await immutableOf(site, "v2")).toBe(true);
    const logs = await site.deps.sql<{ metadata: string }[]>`
      select l.metadata_json as metadata from logentry3 l join logentrykind k on k.id = l.kind_id
      where k.name = 'change_tag_immutability' order by l.id`;
    expect(
      logs.map(({ metadata }) => JSON.parse(metadata)).map(({ tag, immutable, manifest_digest }) => [
        tag,
        immutable,
        manifest_digest,
      ]),
    ).toEqual([["v1", true, digest], ["v1", false, digest], ["v2", true, digest]]);
  });
});

Deno.test("an immutable tag: nothing moves, ends or relabels it, at the API and at the registry", async () => {
  const config = { FEATURE_IMMUTABLE_TAGS: true, PERMANENTLY_DELETE_TAGS: true };
  await withSite(config, async (site) => {
    const { deps } = site;
    const clock = stopClock(deps, START_MS);
    const content = await Content.of(deps, "acme/app");
    const { id } = content.repository;
    const old = await content.image({ word: "old", tag: "v1" });
    await content.image({ word: "old", tag: "old" });
    clock.ms += 1000;
    const digest = await content.image({ word: "one", tag: "v1" });
    const alice = await site.browserOf("alice");
    const manifest = `/repository/acme/app/manifest/${digest}`;
    const label = { key: "a", value: "b", media_type: null };
    const { label: made } = await alice.expect(201, "POST", `${manifest}/labels`, label);
    await alice.expect(201, "PUT", TAG, { immutable: true });
    clock.ms += 1000;
    const before = await alice.expect(200, "GET", "/repository/acme/app/tag/");
    const refused: [method: string, path: string, body?: unknown][] = [
      ["PUT", TAG, { manifest_digest: old }],
      ["PUT", TAG, { expiration: IN_A_DAY_S }],
      ["PUT", TAG, { manifest_digest: old, immutable: true }],
      ["DELETE", TAG],
      ["POST", `${TAG}/restore`, { manifest_digest: old }],
      ["POST", `${TAG}/expire`, { is_alive: true }],
      ["POST", `${manifest}/labels`, label],
      ["DELETE", `${manifest}/labels/${made.id}`],
    ];
    for (const [method, path, body] of refused) {
      const answer = await alice.expect(409, method, path, body);
      expect([method, path, answer]).toEqual([method, path, {
        detail: "Tag v1 is immutable",
        error_message: "Tag v1 is immutable",
        error_type: "tag_immutable",
        title: "tag_immutable",
        type: "http://registry.test/api/v1/error/tag_immutable",
        status: 409,
        tag: "v1",
      }]);
    }
    await expect(content.image({ word: "other", tag: "v1" })).rejects.toMatchObject({
      code: "tag_immutable",
    });
    await expect(deleteTag(deps, id, "v1")).rejects.toMatchObject({ code: "tag_immutable" });
    await expect(deleteManifest(deps, id, digest)).rejects.toMatchObject({ code: "tag_immutable" });
    expect(await alice.expect(200, "GET", "/repository/acme/app/tag/")).toEqual(before);
    // The same image again is no change; other tags of it are not immutable; one's past can go.
    expect(await content.image({ word: "one", tag: "v1" })).toBe(digest);
    await alice.expect(201, "PUT", TAG, { manifest_digest: digest, expiration: null });
    await alice.expect(201, "PUT", "/repository/acme/app/tag/copy", { manifest_digest: digest });
    expect(await immutableOf(site, "copy")).toBe(false);
    await alice.expect(204, "DELETE", "/repository/acme/app/tag/copy");
    await alice.expect(200, "POST", `${TAG}/expire`, { manifest_digest: old });
    expect(await alice.expect(200, "GET", "/error/tag_immutable")).toMatchObject({ title: "tag_immutable" });
    // Administrators free and move it in one call.
    const next = await content.image({ word: "next", tag: "next" });
    await alice.expect(201, "PUT", TAG, { immutable: false, manifest_digest: next });
    expect(await immutableOf(site)).toBe(false);
  });
});

Deno.test("immutable tags and their end: only with FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE", async () => {
  for (const canExpire of [false, true]) {
    const config = { FEATURE_IMMUTABLE_TAGS: true, FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE: canExpire };
    await withSite(config, async (site) => {
      stopClock(site.deps, START_MS);
      const content = await Content.of(site.deps, "acme/app");
      await content.image({ word: "one", tag: "v1" });
      await content.image({ word: "two", tag: "v2" });
      const alice = await site.browserOf("alice");
      await alice.expect(201, "PUT", TAG, { expiration: IN_A_DAY_S });
      await alice.expect(canExpire ? 201 : 400, "PUT", TAG, { immutable: true });
      expect(await immutableOf(site)).toBe(canExpire);
      await alice.expect(201, "PUT", "/repository/acme/app/tag/v2", { immutable: true });
      await alice.expect(canExpire ? 201 : 409, "PUT", "/repository/acme/app/tag/v2", {
        expiration: IN_A_DAY_S,
      });
    });
  }
});

Deno.test("the label quay.immutable=true makes what is pushed immutable, with the feature", async () => {
  for (const feature of [true, false]) {
    await withSite({ FEATURE_IMMUTABLE_TAGS: feature }, async (site) => {
      const content = await Content.of(site.deps, "acme/app");
      await content.image({ word: "one", tag: "v1", labels: { "quay.immutable": "true" } });
      await content.image({ word: "two", tag: "v2", labels: { "quay.immutable": "no" } });
      expect([await immutableOf(site), await immutableOf(site, "v2")]).toEqual([feature, false]);
      await content.image({
        word: "three",
        tag: "v3",
        labels: { "quay.immutable": "true", "quay.expires-after": "1w" },
      });
      expect(await immutableOf(site, "v3")).toBe(false);
      const alice = await site.browserOf("alice");
      if (!feature) {
        const answer = await alice.expect(400, "PUT", TAG, { immutable: true });
        expect(answer.error_message).toMatch(/FEATURE_IMMUTABLE_TAGS is false/);
      }
    });
  }
});

Deno.test("a push of several tags to one that is immutable changes none of them", async () => {
  await withSite({ FEATURE_IMMUTABLE_TAGS: true }, async (site) => {
    const content = await Content.of(site.deps, "acme/app");
    await content.image({ word: "one", tag: "v1" });
    const alice = await site.browserOf("alice");
    await alice.expect(201, "PUT", TAG, { immutable: true });
    const digest = await content.image({ word: "two" });
    const { manifest_data } = await alice.expect(200, "GET", `/repository/acme/app/manifest/${digest}`);
    const pushing = putManifest(site.deps, content.repository.id, {
      bytes: new TextEncoder().encode(manifest_data),
      contentType: OCI_MANIFEST,
      reference: { kind: "digest", digest },
      tags: ["v0", "v1", "v2"],
    });
    await expect(pushing).rejects.toMatchObject({ code: "tag_immutable" });
    const { tags } = await alice.expect(200, "GET", "/repository/acme/app/tag/");
    expect(tags.map((tag: { name: string }) => tag.name)).toEqual(["v1"]);
  });
});

Deno.test("GET …/tag/: an index that names what is not here says so", async () => {
  await withSite({}, async (site) => {
    const content = await Content.of(site.deps, "acme/app");
    const [one, two] = [await content.image({ word: "one" }), await content.image({ word: "two" })];
    const index = await content.index([one, two], "multi");
    // As a mirror that takes some architectures leaves it.
    await site.deps.sql`
      delete from manifestchild where child_manifest_id = (select id from manifest where digest = ${two})`;
    const alice = await site.browserOf("alice");
    const { tags } = await alice.expect(200, "GET", "/repository/acme/app/tag/");
    expect(tags[0]).toMatchObject({
      manifest_digest: index,
      is_sparse: true,
      child_manifest_count: 2,
      present_child_count: 1,
      child_manifests_presence: { [one]: true, [two]: false },
    });
  });
});

Deno.test("GET …/manifest/{digest}/security: by feature, queued until scanned, also once its tags are gone", async () => {
  const endpoint = { SECURITY_SCANNER_V4_ENDPOINT: "http://clair.test" };
  await withSite({ FEATURE_SECURITY_SCANNER: true, ...endpoint }, async (site) => {
    const { deps } = site;
    const content = await Content.of(deps, "acme/app");
    const digest = await content.image({ word: "one", tag: "v1" });
    const index = await content.index([digest], "multi");
    const alice = await site.browserOf("alice");
    const ask = (of: string, status = 200, query = "") =>
      alice.expect(status, "GET", `/repository/acme/app/manifest/${of}/security${query}`);
    expect(await ask(digest, 200, "?vulnerabilities=true")).toEqual({ status: "queued", data: null });
    expect(await ask(index)).toEqual({ status: "unsupported", data: null });
    await ask(`sha256:${"0".repeat(64)}`, 404);
    await ask("nonsense", 404);
    await deps.sql`
      insert into manifestsecuritystatus (manifest_id, repository_id, index_status, indexer_hash, indexer_version)
      select id, repository_id, 0, '', 4 from manifest where digest = ${digest}`;
    const rows: [number, number, string | undefined][] = [
      [0, 200, "queued"],
      [1, 200, "queued"],
      [-1, 200, "failed"],
      [-2, 200, "unsupported"],
      [-3, 200, "manifest_layer_too_large"],
      [2, 520, undefined],
    ];
    await deleteManifest(deps, content.repository.id, digest);
    for (const [indexStatus, code, status] of rows) {
      await deps.sql`update manifestsecuritystatus set index_status = ${indexStatus}`;
      expect([indexStatus, (await ask(digest, code)).status]).toEqual([indexStatus, status ?? 520]);
    }
  });
  await withSite({}, async (site) => {
    const content = await Content.of(site.deps, "acme/app");
    const digest = await content.image({ word: "one", tag: "v1" });
    const alice = await site.browserOf("alice");
    await alice.expect(404, "GET", `/repository/acme/app/manifest/${digest}/security`);
  });
});

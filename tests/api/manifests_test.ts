import { expect } from "@std/testing";
import { Content, stopClock } from "./content.ts";
import { withSite } from "./site.ts";

const NOWHERE = `sha256:${"0".repeat(64)}`;
const EMPTY = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4";

Deno.test("GET /repository/{r}/manifest/{d}: layers with the commands that made them", async () => {
  await withSite({}, async (site) => {
    const content = await Content.of(site.deps, "acme/team", "public");
    const digest = await content.image({
      word: "layer",
      tag: "v1",
      history: [
        { created: "2026-01-02T03:04:05.123456789Z", created_by: "ADD file", author: "me", comment: "base" },
        { created: "no date", created_by: "CMD sh", empty_layer: true },
      ],
    });
    const answer = await site.stranger().expect(200, "GET", `/repository/acme/team/manifest/${digest}`);
    const stored = JSON.parse(answer.manifest_data);
    expect(answer).toEqual({
      digest,
      is_manifest_list: false,
      manifest_data: expect.any(String),
      config_media_type: "application/vnd.oci.image.config.v1+json",
      layers_compressed_size: 5,
      layers: [
        {
          index: 0,
          compressed_size: 5,
          is_remote: false,
          urls: null,
          command: ["ADD file"],
          comment: "base",
          author: "me",
          blob_digest: stored.layers[0].digest,
          created_datetime: "Fri, 02 Jan 2026 03:04:05 -0000",
        },
        {
          index: 1,
          compressed_size: 32,
          is_remote: false,
          urls: null,
          command: ["CMD sh"],
          comment: null,
          author: null,
          blob_digest: EMPTY,
          created_datetime: null,
        },
      ],
    });
  });
});

Deno.test("GET /repository/{r}/manifest/{d}: an index, a history that does not fit, what is gone", async () => {
  await withSite({}, async (site) => {
    const clock = stopClock(site.deps, Date.now());
    const content = await Content.of(site.deps, "acme/app");
    const strange = [null, 7, "x", { created_by: 7, created: {} }, { created_by: "second" }];
    const child = await content.image({ word: "child", history: strange });
    const index = await content.index([child], "multi");
    const alice = await site.browserOf("alice");
    const at = (digest: string) => `/repository/acme/app/manifest/${digest}`;
    expect(await alice.expect(200, "GET", at(index))).toMatchObject({
      is_manifest_list: true,
      config_media_type: null,
      layers_compressed_size: 0,
      layers: null,
    });
    const { layers } = await alice.expect(200, "GET", at(child));
    expect(layers.length).toBe(1);
    expect(layers[0]).toMatchObject({ compressed_size: 5, command: null });
    for (const digest of [NOWHERE, "v1", "sha256:short"]) await alice.expect(404, "GET", at(digest));
    clock.ms += 1000;
    await alice.expect(204, "DELETE", "/repository/acme/app/tag/multi");
    await alice.expect(404, "GET", at(index));
  });
});

Deno.test("manifest labels: those of the image, those of people, and what may be done with each", async () => {
  await withSite({ LABEL_KEY_RESERVED_PREFIXES: ["ours."] }, async (site) => {
    const content = await Content.of(site.deps, "acme/app");
    const labels = { maintainer: "me", "com.example.data": '{"a":1}' };
    const digest = await content.image({ word: "one", tag: "v1", labels });
    const alice = await site.browserOf("alice");
    const at = `/repository/acme/app/manifest/${digest}/labels`;
    const list = (query = "") => alice.expect(200, "GET", `${at}${query}`);
    const brought = (await list()).labels;
    expect(brought).toEqual([
      {
        id: expect.any(String),
        key: "maintainer",
        value: "me",
        source_type: "manifest",
        media_type: "text/plain",
      },
      {
        id: expect.any(String),
        key: "com.example.data",
        value: '{"a":1}',
        source_type: "manifest",
        media_type: "application/json",
      },
    ]);

    const response = await alice.api("POST", at, { key: "tier", value: "gold", media_type: "text/plain" });
    expect(response.status).toBe(201);
    const { label } = await response.json();
    expect(label).toEqual({
      id: expect.any(String),
      key: "tier",
      value: "gold",
      source_type: "api",
      media_type: "text/plain",
    });
    expect(response.headers.get("Location")).toBe(`http://registry.test/api/v1${at}/${label.id}`);
    expect(await alice.expect(200, "GET", `${at}/${label.id}`)).toEqual(label);
    const guessed = await alice.expect(201, "POST", at, { key: "tier", value: "[1]", media_type: null });
    expect(guessed.label.media_type).toBe("application/json");
    const keys = async (query: string) =>
      (await list(query)).labels.map((found: { key: string }) => found.key);
    expect(await keys("?filter=ti")).toEqual(["tier", "tier"]);
    expect(await keys("?filter=%25")).toEqual([]);

    await alice.expect(204, "DELETE", `${at}/${label.id}`);
    for (const method of ["GET", "DELETE"]) await alice.expect(404, method, `${at}/${label.id}`);
    const refused = await alice.expect(400, "DELETE", `${at}/${brought[0].id}`);
    expect(refused.message).toContain("API");
    await alice.expect(404, "GET", at.replace(digest, NOWHERE));
    const other = await content.image({ word: "two", tag: "v2" });
    // A label belongs to its manifest.
    await alice.expect(404, "GET", `${at.replace(digest, other)}/${brought[0].id}`);
    await alice.expect(404, "DELETE", `${at.replace(digest, other)}/${guessed.label.id}`);
  });
});

Deno.test("POST labels: keys, types and bodies that are no good", async () => {
  await withSite({ LABEL_KEY_RESERVED_PREFIXES: ["ours."] }, async (site) => {
    const content = await Content.of(site.deps, "acme/app");
    const digest = await content.image({ word: "one", tag: "v1" });
    const alice = await site.browserOf("alice");
    const at = `/repository/acme/app/manifest/${digest}/labels`;
    const post = (status: number, body: unknown) => alice.expect(status, "POST", at, body);
    const bad = ["", "A", "a..b", "a--b", "a.-b", "-a", "a.", "a_b", "a b", "ü", "a".repeat(256)];
    const reserved = ["quay.expires-after", "quayx", "internal", "io.k8s.x", "com.docker.y", "ours.x"];
    for (const key of [...bad, ...reserved]) await post(400, { key, value: "x", media_type: null });
    for (const key of ["a", "a1.b-c", "0", "a".repeat(255), "com.dockerx", "our.x"]) {
      await post(201, { key, value: "", media_type: null });
    }
    await post(400, { key: "a", value: "x", media_type: "text/html" });
    await post(400, { key: "a", value: "x" });
    await post(400, { key: "a", value: 7, media_type: null });
    await post(400, undefined);
    await site.deps.sql`update repository set state = 1`;
    await post(503, { key: "a", value: "x", media_type: null });
    const { labels } = await alice.expect(200, "GET", at);
    await alice.expect(503, "DELETE", `${at}/${labels[0].id}`);
  });
});

Deno.test("GET /repository/{r}: shows its live tags, unless asked not to", async () => {
  await withSite({}, async (site) => {
    const clock = stopClock(site.deps, Date.UTC(2026, 10, 24, 2));
    const content = await Content.of(site.deps, "acme/app");
    const one = await content.image({ word: "one", tag: "v1" });
    await content.image({ word: "two", tag: "old", labels: { "quay.expires-after": "1h" } });
    const alice = await site.browserOf("alice");
    const at = "/repository/acme/app";
    expect((await alice.expect(200, "GET", at)).tags).toEqual({
      v1: { name: "v1", size: 3, last_modified: "Tue, 24 Nov 2026 02:00:00 -0000", manifest_digest: one },
      old: expect.objectContaining({ expiration: "Tue, 24 Nov 2026 03:00:00 -0000" }),
    });
    clock.ms += 3_600_000;
    expect(Object.keys((await alice.expect(200, "GET", at)).tags)).toEqual(["v1"]);
    expect((await alice.expect(200, "GET", `${at}?includeTags=false`)).tags).toBe(undefined);
  });
});

import assert from "node:assert/strict";
import { digestOf } from "../../src/oci/digest.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media_types.ts";
import { addRepository, expectError, index, withRegistry } from "./fixture.ts";

const path = (reference: string) => `/v2/acme/app/manifests/${reference}`;

Deno.test("tags move, end and come back; each change is seen by the next request", () =>
  withRegistry(async (registry) => {
    const [one, two] = [await registry.image("one"), await registry.image("two")];
    const digests = [one, two].map((image) => digestOf(JSON.stringify(image)));
    const seen = async () => (await registry.call("HEAD", path("v"))).headers.get("docker-content-digest");
    for (let times = 0; times < 4; times++) {
      await registry.push("v", times % 2 === 0 ? one : two);
      assert.equal(await seen(), digests[times % 2]);
    }
    assert.equal((await registry.call("DELETE", path("v"))).status, 202);
    const entry = await expectError(await registry.call("GET", path("v")), 404, "TAG_EXPIRED");
    assert.match(entry.message, /\bv\b/);
    await expectError(await registry.call("DELETE", path("v")), 404, "MANIFEST_UNKNOWN");
    await expectError(await registry.call("GET", path("never")), 404, "MANIFEST_UNKNOWN");
    await registry.push("v", one);
    assert.equal(await seen(), digests[0]);
    assert.equal((await registry.sql`select 1 from tag where name = 'v'`).length, 5);
  }));

Deno.test("DELETE /v2/<name>/manifests/<digest>: gone at once with its tags, even out of a live index", () =>
  withRegistry(async (registry) => {
    const image = await registry.image("one");
    const digest = digestOf(JSON.stringify(image));
    await registry.push("a", image);
    await registry.push("b", image);
    await registry.push(digest, image);
    await registry.push(
      "all",
      index([{ mediaType: OCI_MANIFEST, digest, size: JSON.stringify(image).length }]),
    );
    assert.equal((await registry.call("DELETE", path(digest))).status, 202);
    for (const reference of [digest, "a", "b"]) {
      assert.equal((await registry.call("HEAD", path(reference))).status, 404);
    }
    assert.equal((await registry.call("HEAD", path("all"))).status, 200);
    await expectError(await registry.call("DELETE", path(digest)), 404, "MANIFEST_UNKNOWN");
    await registry.push("a", image);
    assert.equal((await registry.call("HEAD", path(digest))).status, 200);
  }));

Deno.test("GET by tag resolves an index for clients that only take images; by digest nothing is resolved", () =>
  withRegistry(async (registry) => {
    const arm = { ...await registry.child("arm"), platform: { os: "linux", architecture: "arm64" } };
    const amd = { ...await registry.child("amd"), platform: { os: "linux", architecture: "amd64" } };
    const body = JSON.stringify(index([arm, amd]));
    await registry.push("all", body, OCI_INDEX);
    const ask = (reference: string, accept?: string) =>
      registry.call("GET", path(reference), accept === undefined ? {} : { headers: { accept } });
    for (const accept of [undefined, "*/*", "application/*", `text/html, ${OCI_INDEX};q=0.5`]) {
      const response = await ask("all", accept);
      assert.equal(await response.text(), body);
    }
    const image = await ask("all", OCI_MANIFEST);
    assert.equal(image.headers.get("docker-content-digest"), amd.digest);
    assert.equal(image.headers.get("content-type"), OCI_MANIFEST);
    await expectError(
      await ask("all", "application/vnd.docker.distribution.manifest.v1+json"),
      404,
      "MANIFEST_UNKNOWN",
    );
    assert.equal((await ask(digestOf(body), OCI_MANIFEST)).headers.get("content-type"), OCI_INDEX);
  }));

Deno.test("who may: 401 with a challenge, unknown and refused repositories", () =>
  withRegistry(async (registry) => {
    const anonymous = { headers: { authorization: "Basic eDp5" } };
    const response = await registry.call("GET", path("v1"), anonymous);
    assert.equal(response.headers.get("docker-distribution-api-version"), "registry/2.0");
    assert.match(
      response.headers.get("www-authenticate") ?? "",
      /^Bearer realm="https?:\/\/[^"]+\/v2\/auth",service="[^"]+",scope="repository:acme\/app:pull"$/,
    );
    await expectError(response, 401, "UNAUTHORIZED");
    const put = await registry.call("PUT", path("v1"), { ...anonymous, body: "{}" });
    assert.match(put.headers.get("www-authenticate") ?? "", /:pull,push"$/);
    await expectError(put, 401, "UNAUTHORIZED");
    await expectError(
      await registry.call("GET", path("v1"), { headers: { authorization: "Bearer x.y.z" } }),
      401,
      "UNAUTHORIZED",
    );

    const uploads = "/v2/acme/app/blobs/uploads/";
    const scopes: [string, string, string][] = [
      ["GET", `${uploads}0000`, "repository:acme/app:pull,push"],
      [
        "POST",
        `${uploads}?mount=sha256:00&from=acme/base`,
        "repository:acme/app:pull,push repository:acme/base:pull",
      ],
      ["POST", `${uploads}?from=%22x`, "repository:acme/app:pull,push"],
    ];
    for (const [method, asked, scope] of scopes) {
      const refused = await registry.call(method, asked, anonymous);
      assert.equal(/scope="([^"]*)"/.exec(refused.headers.get("www-authenticate") ?? "")?.[1], scope);
      await expectError(refused, 401, "UNAUTHORIZED");
    }

    const pullOnly = {
      headers: { authorization: await registry.bearer({ "acme/app": ["pull"], "acme/none": ["pull"] }) },
    };
    await expectError(
      await registry.call("PUT", path("v1"), { ...pullOnly, body: "{}" }),
      401,
      "UNAUTHORIZED",
    );
    await expectError(await registry.call("DELETE", path("v1"), pullOnly), 401, "UNAUTHORIZED");
    await expectError(
      await registry.call("GET", "/v2/acme/other/manifests/v1", pullOnly),
      401,
      "UNAUTHORIZED",
    );
    await expectError(
      await registry.call("GET", "/v2/acme/none/manifests/v1", pullOnly),
      404,
      "NAME_UNKNOWN",
    );
    await expectError(await registry.call("GET", "/v2/acme/none/tags/list", pullOnly), 404, "NAME_UNKNOWN");
    await expectError(await registry.call("GET", "/v2/Acme/App/manifests/v1", pullOnly), 400, "NAME_INVALID");
    await expectError(await registry.call("GET", "/v2/nothing", pullOnly), 404, "NOT_FOUND");
    const post = await registry.call("POST", path("v1"), pullOnly);
    assert.equal(post.status, 405);
    assert.equal(post.headers.get("allow"), "GET, HEAD, PUT, DELETE");
    await post.body?.cancel();
  }));

Deno.test("repositories and registries that take nothing now", () =>
  withRegistry(async (registry) => {
    const image = await registry.image("one");
    assert.equal((await registry.push("v1", image)).status, 201);
    for (const state of [1, 2]) {
      await registry.sql`update repository set state = ${state}`;
      await expectError(await registry.push("v2", image), 405, "DENIED");
      await expectError(await registry.call("DELETE", path("v1")), 405, "DENIED");
      assert.equal((await registry.call("HEAD", path("v1"))).status, 200);
    }
    await registry.sql`update repository set state = 3`;
    assert.equal((await registry.call("HEAD", path("v1"))).status, 404);
    await registry.sql`update repository set state = 0`;
    await registry.sql`update "user" set enabled = false where username = 'acme'`;
    await expectError(await registry.call("GET", path("v1")), 405, "DENIED");
  }));

Deno.test("REGISTRY_STATE: readonly refuses writes and says so", () =>
  withRegistry(async (registry) => {
    const entry = await expectError(await registry.push("v1", await registry.image("one")), 405, "DENIED");
    assert.equal(entry.is_readonly, true);
  }, { REGISTRY_STATE: "readonly" }));

Deno.test("DISABLE_PUSHES refuses pushes", () =>
  withRegistry(async (registry) => {
    await expectError(await registry.push("v1", await registry.image("one")), 405, "METHOD NOT ALLOWED");
  }, { DISABLE_PUSHES: true }));

Deno.test("GET /v2/<name>/tags/list: byte order, n, last, Link", () =>
  withRegistry(async (registry) => {
    const image = await registry.image("one");
    for (const tag of ["b", "a", "Z", "_x", "1", "gone"]) await registry.push(tag, image);
    await registry.call("DELETE", path("gone"));
    const list = async (query: string) => {
      const response = await registry.call("GET", `/v2/acme/app/tags/list${query}`);
      return { tags: (await response.json()).tags, link: response.headers.get("link") };
    };
    assert.deepEqual(await list(""), { tags: ["1", "Z", "_x", "a", "b"], link: null });
    assert.deepEqual(await list("?n=2"), {
      tags: ["1", "Z"],
      link: '</v2/acme/app/tags/list?n=2&last=Z>; rel="next"',
    });
    assert.deepEqual(await list("?n=2&last=_x"), { tags: ["a", "b"], link: null });
    assert.deepEqual(await list("?n=0"), { tags: [], link: null });
    assert.deepEqual((await list("?n=1000&last=Y")).tags, ["Z", "_x", "a", "b"]);
    for (const bad of ["-1", "x", "1.5", ""]) {
      await expectError(
        await registry.call("GET", `/v2/acme/app/tags/list?n=${bad}`),
        400,
        "INVALID_REQUEST",
      );
    }
  }));

Deno.test("GET /v2/<name>/referrers/<digest>: filter, fallback tag, pages, unknown subjects", () =>
  withRegistry(async (registry) => {
    const subject = await registry.child("subject");
    const referrers = (digest: string, query = "") =>
      registry.call("GET", `/v2/acme/app/referrers/${digest}${query}`);
    const empty = await referrers(digestOf("nothing"));
    assert.equal(empty.headers.get("content-type"), OCI_INDEX);
    assert.deepEqual(await empty.json(), { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] });

    const signed = await registry.child("sig", {
      subject,
      artifactType: "application/vnd.x.sig",
      annotations: { k: "v" },
    });
    const plain = await registry.child("plain", { subject });
    const old = { ...await registry.child("old"), artifactType: "application/vnd.x.old" };
    await registry.push(subject.digest.replace(":", "-"), index([old, signed]));
    registry.clock.ms += 60_001;
    const all = await (await referrers(subject.digest)).json();
    assert.deepEqual(all.manifests, [
      { ...signed, artifactType: "application/vnd.x.sig", annotations: { k: "v" } },
      { ...plain, artifactType: "application/vnd.oci.image.config.v1+json" },
      old,
    ]);
    const filtered = await referrers(subject.digest, "?artifactType=application/vnd.x.sig");
    assert.equal(filtered.headers.get("oci-filters-applied"), "artifactType");
    assert.deepEqual((await filtered.json()).manifests.map((one: { digest: string }) => one.digest), [
      signed.digest,
    ]);
    await expectError(await referrers("sha256:zz"), 400, "DIGEST_INVALID");

    for (let at = 0; at < 100; at++) await registry.child(`many ${at}`, { subject });
    const first = await referrers(subject.digest);
    const next = /<([^>]+)>/.exec(first.headers.get("link") ?? "")?.[1];
    assert.equal((await first.json()).manifests.length, 100);
    const second = await registry.call("GET", next ?? "");
    assert.equal((await second.json()).manifests.length, 3);
    assert.equal(second.headers.get("link"), null);
  }, { PUSH_TEMP_TAG_EXPIRATION_SEC: 60 }));

Deno.test("GET /v2/_catalog: what the caller may see, in pages", () =>
  withRegistry(async (registry) => {
    const [{ id: ownerId } = { id: 0 }] = await registry.sql<
      { id: number }[]
    >`select id from "user" where username = 'acme'`;
    for (const name of ["b", "a", "nested/c"]) {
      await addRepository(registry.sql, ownerId, name, name === "a" ? "public" : "private");
    }
    const catalog = async (query = "") => {
      const response = await registry.call("GET", `/v2/_catalog${query}`);
      return { names: (await response.json()).repositories, link: response.headers.get("link") };
    };
    // The test's token is nobody's: public repositories only.
    assert.deepEqual((await catalog()).names, ["acme/a"]);
    await registry
      .sql`update repository set visibility_id = (select id from visibility where name = 'public')`;
    const first = await catalog("?n=2");
    assert.deepEqual(first.names, ["acme/a", "acme/app"]);
    assert.ok(!first.link?.includes("acme"));
    const next = /<\/v2\/_catalog([^>]+)>/.exec(first.link ?? "")?.[1];
    assert.deepEqual(await catalog(next), { names: ["acme/b", "acme/nested/c"], link: null });
    assert.deepEqual((await catalog("?last=acme/b")).names, ["acme/nested/c"]);
    await expectError(await registry.call("GET", "/v2/_catalog?last=tampered"), 400, "INVALID_REQUEST");
  }, { FEATURE_PUBLIC_CATALOG: true }));

Deno.test("GET /v2/_catalog without FEATURE_PUBLIC_CATALOG shows nothing to strangers", () =>
  withRegistry(async (registry) => {
    await registry
      .sql`update repository set visibility_id = (select id from visibility where name = 'public')`;
    assert.deepEqual(await (await registry.call("GET", "/v2/_catalog")).json(), { repositories: [] });
  }));

Deno.test("FEATURE_REFERRERS_API: false answers 404", () =>
  withRegistry(async (registry) => {
    await expectError(
      await registry.call("GET", `/v2/acme/app/referrers/${digestOf("x")}`),
      404,
      "UNSUPPORTED",
    );
  }, { FEATURE_REFERRERS_API: false }));

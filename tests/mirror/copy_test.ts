import assert from "node:assert/strict";
import { companionNames } from "../../src/domain/mirroring/closure.ts";
import { MirrorPaused, unlimited } from "../../src/domain/mirroring/limits.ts";
import { RunEnded } from "../../src/domain/mirroring/run.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media_types.ts";
import { makeOwnCa } from "../clients/own_ca.ts";
import { test } from "../skip.ts";
import { withEdge } from "./edge.ts";
import { type FakeRegistry, withFake } from "./fake_registry.ts";
import { on, Pusher, randomBytes } from "./images.ts";
import { withParent } from "./parents.ts";

const needs = ["docker-registry"];
const PASSWORD = { username: "bob", password: "wörd:with colon" };

test({
  name: "runMirror() copies tags that match, with all platforms, byte for byte",
  needs,
  fn: () =>
    withParent({}, (parent) =>
      withEdge({}, async (edge) => {
        const push = new Pusher(parent.url, "team/app");
        const base = randomBytes(300_000, 1);
        const amd = await push.image([base, randomBytes(50_000, 2)]);
        const arm = await push.image([base, randomBytes(60_000, 3)], { architecture: "arm64" });
        const index = await push.index([on(amd, "amd64"), on(arm, "arm64")], "v1.0");
        const single = await push.image([base], { reference: "v1.1" });
        await push.image([base], { reference: "other" });

        const rules = { globs: ["v1.*"] };
        const mirror = await edge.mirror({ reference: `${parent.host}/team/app`, rules });
        const outcome = await edge.run(mirror);
        assert.deepEqual(
          outcome.kind === "success" && outcome.tags,
          ["v1.0", "v1.1"],
          JSON.stringify(outcome),
        );
        assert.deepEqual(await edge.tags(mirror), { "v1.0": index.digest, "v1.1": single.digest });
        assert.deepEqual(await edge.readWhole(mirror, index.digest), [index.digest, amd.digest, arm.digest]);
        await edge.readWhole(mirror, single.digest);
        assert.deepEqual(await edge.uploads(), []);
        const kinds = (await edge.logKinds(mirror)).map(({ kind }) => kind.replace("repo_mirror_sync_", ""));
        assert.deepEqual(kinds, ["started", "tag_success", "tag_success", "success"]);
      })),
});

test({
  name: "htpasswd: the right password is enough, a wrong one and none are told in words",
  needs: [...needs, "htpasswd"],
  fn: () =>
    withParent(
      { password: PASSWORD },
      (parent) =>
        withEdge({}, async (edge) => {
          const push = new Pusher(parent.url, "team/app", parent.authorization);
          const image = await push.image([randomBytes(1000, 1)], { reference: "v1" });
          const reference = `${parent.host}/team/app`;
          const mirror = await edge.mirror({ reference, ...PASSWORD });
          assert.equal((await edge.run(mirror)).kind, "success");
          assert.deepEqual(await edge.tags(mirror), { v1: image.digest });
          for (const credentials of [{ username: "bob", password: "wrong" }, {}]) {
            const outcome = await edge.run(await edge.mirror({ reference, ...credentials }));
            assert.equal(outcome.kind === "failed" && outcome.reason, "auth_failed", JSON.stringify(outcome));
          }
        }),
    ),
});

test({
  name:
    "TLS: an own authority of extra_ca_certs is enough, without it the certificate is refused unless verify_tls is off",
  needs: [...needs, "openssl"],
  fn: async () => {
    const { ca, cert, key } = await makeOwnCa("localhost");
    await withParent({ tls: { cert, key } }, async (parent) => {
      const client = Deno.createHttpClient({ caCerts: [ca] });
      const reference = `localhost:${parent.host.split(":")[1]}/team/app`;
      const push = new Pusher(parent.url.replace("127.0.0.1", "localhost"), "team/app", undefined, client);
      const image = await push.image([randomBytes(100_000, 1)], { reference: "v1" });
      client.close();
      await withEdge({ site: { extraCas: [ca] } }, async (edge) => {
        const mirror = await edge.mirror({ reference, verifyTls: true });
        const outcome = await edge.run(mirror);
        assert.equal(outcome.kind, "success", JSON.stringify(outcome));
        await edge.readWhole(mirror, image.digest);
      });
      await withEdge({}, async (edge) => {
        const refused = await edge.run(await edge.mirror({ reference, verifyTls: true }));
        assert.equal(refused.kind === "failed" && refused.reason, "tls_error", JSON.stringify(refused));
        assert.match(refused.kind === "failed" ? refused.message : "", /extra_ca_certs/);
        assert.equal((await edge.run(await edge.mirror({ reference, verifyTls: false }))).kind, "success");
      });
    });
  },
});

Deno.test("nothing changed: one request without a body for each tag, and nothing else", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      for (let i = 0; i < 5; i++) fake.image(`v${i}`, [randomBytes(1000, i)]);
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      await edge.deps.sql`insert into repomirrorprogress (repository_id, progress, updated_ms)
        values (${mirror.repositoryId}, '{}', 0)`;
      assert.equal((await edge.run(mirror)).kind, "success");
      const before = await edge.tags(mirror);
      await edge.run(mirror); // asks for the referrers API, once
      fake.requests.length = 0;
      assert.equal((await edge.run(mirror)).kind, "success");
      const ofTags = Array.from({ length: 5 }, (_, i) => `HEAD /v2/app/manifests/v${i}`);
      assert.deepEqual(fake.requests.filter((request) => request !== "GET /v2/").sort(), [
        "GET /v2/app/tags/list",
        ...ofTags,
      ]);
      assert.deepEqual(await edge.tags(mirror), before);
    })
  ));

Deno.test("a tag that moved is seen whole or not at all; the old image can be restored", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const old = fake.image("v1", [randomBytes(1000, 1)]);
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      assert.equal((await edge.run(mirror)).kind, "success");
      const next = fake.image("v1", [randomBytes(1000, 2)]);
      const missing = digestOf(randomBytes(1000, 2));
      const bytes = fake.blobs.get(missing)!;
      fake.blobs.delete(missing);
      const failed = await edge.run(mirror);
      assert.equal(failed.kind === "failed" && failed.reason, "not_found");
      assert.deepEqual(await edge.tags(mirror), { v1: old });
      fake.blobs.set(missing, bytes);
      assert.equal((await edge.run(mirror)).kind, "success");
      assert.deepEqual(await edge.tags(mirror), { v1: next });
      const history = await edge.deps.sql`select from tag t join manifest m on m.id = t.manifest_id
        where t.repository_id = ${mirror.repositoryId} and t.name = 'v1' and m.digest = ${old}
          and t.lifetime_end_ms is not null and not t.hidden`;
      assert.equal(history.length, 1);
    })
  ));

Deno.test("tags that no longer match end, and can be restored; when nothing matches all stay", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const one = fake.image("v1", [randomBytes(1000, 1)]);
      fake.image("w1", [randomBytes(1000, 2)]);
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      await edge.run(mirror);
      assert.deepEqual(Object.keys(await edge.tags(mirror)), ["v1", "w1"]);
      const narrower = { ...mirror, rules: { globs: ["v*"] } };
      assert.equal((await edge.run(narrower)).kind, "success");
      assert.deepEqual(await edge.tags(mirror), { v1: one });
      const nothing = await edge.run({ ...mirror, rules: { globs: ["x*"] } });
      assert.deepEqual(nothing.kind === "success" && nothing.tags, []);
      assert.deepEqual(await edge.tags(mirror), { v1: one });
      fake.tags.length = 0;
      assert.equal((await edge.run(mirror)).kind, "success");
      assert.deepEqual(await edge.tags(mirror), { v1: one });
      assert.equal((await edge.logKinds(mirror)).at(-1)?.metadata.tags, "No tags matched");
    })
  ));

Deno.test("each run tells the repository's notifications how it went, and of the tags that moved", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const { sql } = edge.deps;
      fake.image("v1", [randomBytes(1000, 1)]);
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      for (const event of ["repo_push", "repo_mirror_sync_started", "repo_mirror_sync_success"]) {
        await sql`
          insert into repositorynotification (uuid, repository_id, event_id, method_id, title, config_json, event_config_json)
          select gen_random_uuid()::text, ${mirror.repositoryId}, e.id, m.id, 't', '{}', '{}'
          from externalnotificationevent e, externalnotificationmethod m where e.name = ${event} and m.name = 'webhook'`;
      }
      await edge.run(mirror);
      await edge.run(mirror);
      const queued = await sql<{ name: string; body: string }[]>`
        select split_part(queue_name, '/', 4) as name, body from queueitem order by id`;
      const kinds = ["repo_mirror_sync_started", "repo_push", "repo_mirror_sync_success"];
      assert.deepEqual(queued.map(({ name }) => name), [...kinds, kinds[0], kinds[2]]);
      assert.deepEqual(JSON.parse(queued[1]!.body).event_data.updated_tags, ["v1"]);
      assert.match(JSON.parse(queued[2]!.body).event_data.message, /with tag pattern/);
    })
  ));

Deno.test("a blob that any repository has is linked, not fetched", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const layer = randomBytes(500_000, 1);
      fake.image("v1", [layer]);
      const first = await edge.mirror({ reference: `${fake.host}/app` });
      await edge.run(first);
      fake.requests.length = 0;
      const second = await edge.mirror({ reference: `${fake.host}/other` });
      const { progress, ...outcome } = await edge.run(second);
      assert.equal(outcome.kind, "success");
      assert.deepEqual(fake.requests.filter((request) => request.includes("/blobs/")), []);
      assert.equal(progress.bytesFetched, 0);
      assert.equal(progress.bytesHere, progress.bytesWanted);
      assert.equal(await edge.hashOf(second, digestOf(layer)), digestOf(layer));
    })
  ));

/** An image with a cosign signature, and referrers as the API tells them or under the fallback tag. */
function signed(fake: FakeRegistry, kind: "api" | "fallback") {
  const child = fake.image(undefined, [randomBytes(1000, 1)]);
  const index = fake.put("v1", {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [{
      mediaType: OCI_MANIFEST,
      digest: child,
      size: 1,
      platform: { os: "linux", architecture: "arm64" },
    }],
  });
  const signature = fake.image(companionNames(index)[0]!, [randomBytes(300, 2)]);
  const subject = { mediaType: OCI_INDEX, digest: index, size: 1 };
  const sbom = fake.image(undefined, [randomBytes(400, 3)], {
    subject,
    artifactType: "application/spdx+json",
  });
  const ofSbom = {
    subject: { mediaType: OCI_MANIFEST, digest: sbom, size: 1 },
    artifactType: "application/x-sig",
  };
  const sbomSignature = fake.image(undefined, [randomBytes(200, 4)], ofSbom);
  const ofChild = {
    subject: { mediaType: OCI_MANIFEST, digest: child, size: 1 },
    artifactType: "application/x-att",
  };
  const attestation = fake.image(undefined, [randomBytes(100, 5)], ofChild);
  const lists: [string, string, string][] = [
    [index, sbom, "application/spdx+json"],
    [sbom, sbomSignature, "application/x-sig"],
    [child, attestation, "application/x-att"],
  ];
  if (kind === "api") fake.referrers = new Map();
  for (const [of, digest, artifactType] of lists) {
    const manifests = [{ mediaType: OCI_MANIFEST, digest, size: 1, artifactType }];
    if (kind === "api") fake.referrers!.set(of, manifests);
    else fake.put(of.replace(":", "-"), { schemaVersion: 2, mediaType: OCI_INDEX, manifests });
  }
  return { index, child, signature, referrers: [sbom, sbomSignature, attestation] };
}

for (const kind of ["api", "fallback"] as const) {
  Deno.test(`a matched tag brings its signatures and referrers (${kind}), and they go with it`, () =>
    withFake((fake) =>
      withEdge({}, async (edge) => {
        const { index, signature, referrers } = signed(fake, kind);
        const kept = fake.image("w1", [randomBytes(10, 9)]);
        const mirror = await edge.mirror({ reference: `${fake.host}/app`, rules: { globs: ["v1", "w1"] } });
        const outcome = await edge.run(mirror);
        assert.equal(outcome.kind, "success", JSON.stringify(outcome));
        const tags = await edge.tags(mirror);
        assert.equal(tags.v1, index);
        assert.equal(tags[companionNames(index)[0]!], signature);
        for (const digest of referrers) await edge.readWhole(mirror, digest);
        assert.equal(Object.keys(tags).length, kind === "api" ? 3 : 6);
        assert.equal((await edge.run(mirror)).kind, "success");
        assert.deepEqual(await edge.tags(mirror), tags, "they stay");

        assert.equal((await edge.run({ ...mirror, rules: { globs: ["w1"] } })).kind, "success");
        assert.deepEqual(await edge.tags(mirror), { w1: kept });
        const alive = await edge.deps.sql`select m.digest from tag t join manifest m on m.id = t.manifest_id
          where t.repository_id = ${mirror.repositoryId}
            and (t.lifetime_end_ms is null or t.lifetime_end_ms > ${Date.now()})`;
        assert.deepEqual(alive.map(({ digest }) => digest), [kept]);
      })
    ));
}

Deno.test("a signature that is added to an image that does not change comes with the next run", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const digest = fake.image("v1", [randomBytes(1000, 1)]);
      const mirror = await edge.mirror({ reference: `${fake.host}/app`, rules: { globs: ["v*"] } });
      await edge.run(mirror);
      const name = companionNames(digest)[0]!;
      const signature = fake.image(name, [randomBytes(300, 2)]);
      assert.equal((await edge.run(mirror)).kind, "success");
      assert.deepEqual(await edge.tags(mirror), { v1: digest, [name]: signature });
      fake.tags.splice(fake.tags.indexOf(name), 1);
      assert.equal((await edge.run(mirror)).kind, "success");
      assert.deepEqual(await edge.tags(mirror), { v1: digest });
    })
  ));

Deno.test("rules.referrers: none, and by type", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const { index, referrers } = signed(fake, "api");
      const globs = ["v1"];
      const none = await edge.mirror({ reference: `${fake.host}/app`, rules: { globs, referrers: "none" } });
      assert.equal((await edge.run(none)).kind, "success");
      assert.deepEqual(await edge.tags(none), { v1: index });
      const typed = { globs, referrers: ["application/spdx+json"] };
      const some = await edge.mirror({ reference: `${fake.host}/app`, rules: typed });
      assert.equal((await edge.run(some)).kind, "success");
      assert.deepEqual(await edge.tags(some), { v1: index });
      await edge.readWhole(some, referrers[0]!);
      await assert.rejects(edge.readWhole(some, referrers[2]!), /is there/);
    })
  ));

Deno.test("platforms: the index keeps its bytes, the others are not fetched; a wider filter brings them later", () =>
  withFake((fake) =>
    withEdge({ config: { FEATURE_SPARSE_INDEX: true } }, async (edge) => {
      const children = ["amd64", "arm64", "s390x"].map((architecture, i) => ({
        mediaType: OCI_MANIFEST,
        digest: fake.image(undefined, [randomBytes(1000 + i, i + 1)]),
        size: 1,
        platform: { os: "linux", architecture },
      }));
      const index = fake.put("v1", { schemaVersion: 2, mediaType: OCI_INDEX, manifests: children });
      const mirror = await edge.mirror({
        reference: `${fake.host}/app`,
        rules: { globs: ["*"], platforms: ["linux/arm64"] },
      });
      const outcome = await edge.run(mirror);
      assert.equal(outcome.kind, "success", JSON.stringify(outcome));
      assert.deepEqual(await edge.tags(mirror), { v1: index });
      await edge.readWhole(mirror, children[1]!.digest);
      assert.ok(!fake.requests.some((request) => request.endsWith(children[0]!.digest)));
      assert.equal(
        (await edge.run({ ...mirror, rules: { globs: ["*"], platforms: ["arm64", "s390x"] } })).kind,
        "success",
      );
      await edge.readWhole(mirror, children[2]!.digest);
    })
  ));

Deno.test("platforms: a single image of another platform is left out, and is no failure", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      fake.image("v1", [randomBytes(1000, 1)]);
      const mirror = await edge.mirror({
        reference: `${fake.host}/app`,
        rules: { globs: ["*"], platforms: ["arm64"] },
      });
      assert.equal((await edge.run(mirror)).kind, "success");
      assert.deepEqual(await edge.tags(mirror), {});
      assert.ok(!fake.requests.some((request) => request.endsWith(digestOf(randomBytes(1000, 1)))));
    })
  ));

Deno.test("foreign layers are not asked for", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const foreign = {
        mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        digest: digestOf("elsewhere"),
        size: 9,
        urls: ["https://example.com/layer"],
      };
      const config = fake.blob(new TextEncoder().encode("{}") as Uint8Array<ArrayBuffer>);
      const digest = fake.put("v1", {
        schemaVersion: 2,
        mediaType: "application/vnd.docker.distribution.manifest.v2+json",
        config: { mediaType: "application/vnd.docker.container.image.v1+json", digest: config, size: 2 },
        layers: [foreign],
      });
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      const outcome = await edge.run(mirror);
      assert.equal(outcome.kind, "success", JSON.stringify(outcome));
      assert.deepEqual(await edge.tags(mirror), { v1: digest });
    })
  ));

for (const rollback of [false, true]) {
  const what = rollback
    ? "leaves the repository exactly as before"
    : "keeps what could be copied, and removes";
  Deno.test(`REPO_MIRROR_ROLLBACK ${rollback}: a run of which one tag fails ${what}`, () =>
    withFake((fake) =>
      withEdge({ config: { REPO_MIRROR_ROLLBACK: rollback } }, async (edge) => {
        const old = {
          v1: fake.image("v1", [randomBytes(10, 1)]),
          gone: fake.image("gone", [randomBytes(10, 2)]),
        };
        const mirror = await edge.mirror({ reference: `${fake.host}/app` });
        assert.equal((await edge.run(mirror)).kind, "success");
        assert.deepEqual(await edge.tags(mirror), { gone: old.gone, v1: old.v1 });
        const v1 = fake.image("v1", [randomBytes(10, 3)]);
        fake.image("v2", [randomBytes(10, 4)]);
        const missing = digestOf(randomBytes(10, 4));
        const bytes = fake.blobs.get(missing)!;
        fake.blobs.delete(missing);
        fake.tags.splice(fake.tags.indexOf("gone"), 1);
        assert.equal((await edge.run(mirror)).kind, "failed");
        assert.deepEqual(await edge.tags(mirror), rollback ? { gone: old.gone, v1: old.v1 } : { v1 });
        const last = (await edge.logKinds(mirror)).at(-1)!;
        assert.equal(last.kind, "repo_mirror_sync_failed");
        assert.equal(last.metadata.verb, "lost");
        assert.equal(last.metadata.tags, "v1, v2(FAILED)");
        assert.equal(/PARTIAL SYNC/.test(last.metadata.message!), !rollback);
        fake.blobs.set(missing, bytes);
        assert.equal((await edge.run(mirror)).kind, "success");
        assert.deepEqual(Object.keys(await edge.tags(mirror)), ["v1", "v2"]);
      })
    ));
}

Deno.test("a pause keeps what has come, and fails nothing", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const digest = fake.image("v1", [randomBytes(3_000_000, 1)]);
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      let took = 0;
      const untilMs = Date.now() + 1000;
      const limits = {
        ...unlimited(),
        took: (bytes: number) => {
          if ((took += bytes) > 1_000_000) {
            return Promise.reject(new MirrorPaused(untilMs, "the window is closed"));
          }
          return Promise.resolve();
        },
      };
      const outcome = await edge.run(mirror, { limits });
      assert.deepEqual([outcome.kind, outcome.kind === "paused" && outcome.untilMs], ["paused", untilMs]);
      const second = await edge.run(mirror);
      assert.equal(second.kind, "success");
      assert.ok(second.progress.bytesHere >= 1_000_000, JSON.stringify(second.progress));
      await edge.readWhole(mirror, digest);
    })
  ));

Deno.test("a cancelled run stops at once, with an entry in the log, and removes nothing", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      fake.image("v1", [randomBytes(1000, 1)]);
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      const stop = new AbortController();
      fake.instead = (_, path) => {
        if (path.includes("/blobs/")) stop.abort(new RunEnded("cancelled"));
        return undefined;
      };
      assert.equal((await edge.run(mirror, { signal: stop.signal })).kind, "cancelled");
      assert.deepEqual((await edge.logKinds(mirror)).at(-1)?.metadata.verb, "Cancelled");
      assert.deepEqual(await edge.tags(mirror), {});
    })
  ));

Deno.test("credentials that do not open any more: a failure in words, nothing is asked", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const mirror = await edge.mirror({ reference: `${fake.host}/app`, ...PASSWORD });
      const source = { ...mirror.source, sealedPassword: "v1$$garbage" };
      const outcome = await edge.run({ ...mirror, source });
      assert.equal(outcome.kind === "failed" && outcome.reason, "decryption_failed");
      assert.deepEqual(fake.requests, []);
    })
  ));

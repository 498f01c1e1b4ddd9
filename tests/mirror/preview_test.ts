import assert from "node:assert/strict";
import { companionNames } from "../../src/domain/mirroring/closure.ts";
import { previewMirror, verifyMirror } from "../../src/domain/mirroring/preview.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { withEdge } from "./edge.ts";
import { withFake } from "./fake_registry.ts";
import { randomBytes } from "./images.ts";

const signal = new AbortController().signal;

Deno.test("previewMirror() tells what a run would fetch, find here and remove, and changes nothing", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const base = randomBytes(10_000, 1);
      fake.image("v1", [base]);
      fake.image("gone", [randomBytes(10, 9)]);
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      await edge.run(mirror);
      fake.tags.splice(fake.tags.indexOf("gone"), 1);
      fake.image("v2", [base, randomBytes(5000, 2)]);
      const before = await edge.tags(mirror);
      fake.requests.length = 0;
      const preview = await previewMirror(edge.deps, mirror, signal);
      assert.deepEqual(preview.tags, ["v1", "v2"]);
      assert.deepEqual(preview.changed, ["v2"]);
      assert.deepEqual(preview.remove, ["gone"]);
      assert.ok(preview.bytesHere >= 10_000 && preview.bytesHere < 10_200, `${preview.bytesHere}`);
      assert.ok(preview.bytesToFetch >= 5000 && preview.bytesToFetch < 5200, `${preview.bytesToFetch}`);
      assert.deepEqual(await edge.tags(mirror), before);
      assert.ok(!fake.requests.some((request) => request.includes("/blobs/")));
      const run = await edge.run(mirror);
      assert.equal(run.progress.bytesFetched, preview.bytesToFetch);
    })
  ));

Deno.test("verifyMirror() finds nothing after a run, and each thing that is missing, extra or spoilt", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const layer = randomBytes(10_000, 1);
      const digest = fake.image("v1", [layer]);
      fake.image(companionNames(digest)[0]!, [randomBytes(100, 2)]);
      const mirror = await edge.mirror({ reference: `${fake.host}/app`, rules: { globs: ["v*"] } });
      const verify = (read = true) => verifyMirror(edge.deps, mirror, { read, signal });
      assert.deepEqual((await verify()).map(({ message }) => message).slice(0, 1), ["the tag is not here"]);
      assert.equal((await edge.run(mirror)).kind, "success");
      assert.deepEqual(await verify(), []);

      const hex = digestOf(layer).slice(7);
      const path = `${edge.root}/sha256/${hex.slice(0, 2)}/${hex}`;
      const spoilt = layer.slice();
      spoilt[5]! ^= 1;
      await Deno.writeFile(path, spoilt);
      assert.deepEqual(await verify(false), []);
      assert.deepEqual(await verify(), [{
        tag: "v1",
        digest: digestOf(layer),
        message: "a blob's object is spoilt",
      }]);
      await Deno.writeFile(path, layer.subarray(0, 100));
      assert.match((await verify(false))[0]!.message, /cut short/);

      const next = fake.image("v2", []);
      assert.ok((await verify(false)).some((fault) => fault.tag === "v2" && fault.digest === next));
      fake.tags.splice(fake.tags.indexOf("v1"), 1);
      assert.ok(
        (await verify(false)).some(({ tag, message }) => tag === "v1" && /do not want/.test(message)),
      );
    })
  ));

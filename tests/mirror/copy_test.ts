import assert from "node:assert/strict";
import { test } from "../skip.ts";
import { withEdge } from "./edge.ts";
import { on, Pusher, randomBytes } from "./images.ts";
import { withParent } from "./parents.ts";

const needs = ["docker-registry"];

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

        const mirror = await edge.mirror({
          reference: `${parent.host}/team/app`,
          rules: { globs: ["v1.*"] },
        });
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
        assert.deepEqual((await edge.logKinds(mirror)).map(({ kind }) => kind), [
          "repo_mirror_sync_started",
          "repo_mirror_sync_tag_success",
          "repo_mirror_sync_tag_success",
          "repo_mirror_sync_success",
        ]);
      })),
});

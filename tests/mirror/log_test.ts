import { expect } from "@std/testing";
import { digestOf } from "../../src/oci/digest.ts";
import { rowsOf } from "../logs/rows.ts";
import { withEdge } from "./edge.ts";
import { withFake } from "./fake_registry.ts";
import { randomBytes } from "./images.ts";

Deno.test("a run writes its start, each tag and its end into the log of its repository, by nobody", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      fake.image("v1", [randomBytes(10, 1)]);
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      expect((await edge.run(mirror)).kind).toBe("success");
      const lost = randomBytes(10, 2);
      fake.image("v2", [lost]);
      fake.blobs.delete(digestOf(lost));
      expect((await edge.run(mirror)).kind).toBe("failed");

      const rows = (await rowsOf(edge.deps)).filter(({ kind }) => kind.startsWith("repo_mirror_"));
      const { namespace, name: repo } = mirror;
      const what = `'${fake.host}/app' with tag pattern '*'`;
      const entry = (kind: string, metadata: Record<string, unknown>) => ({
        kind,
        account: namespace,
        performer: null,
        repository: repo,
        ip: null,
        metadata: { namespace, repo, ...metadata },
      });
      const source = (tag: string) => `Source '${fake.host}/app:${tag}'`;
      const words = expect.any(String);
      expect(rows).toEqual([
        entry("repo_mirror_sync_started", { verb: "start", message: what }),
        entry("repo_mirror_sync_tag_success", {
          verb: "finish",
          message: `${source("v1")} copied`,
          tag: "v1",
        }),
        entry("repo_mirror_sync_success", { verb: "end", message: what, tags: "v1" }),
        entry("repo_mirror_sync_started", { verb: "start", message: what }),
        entry("repo_mirror_sync_tag_failed", {
          verb: "finish",
          message: `${source("v2")} not copied`,
          tag: "v2",
          stderr: words,
        }),
        entry("repo_mirror_sync_failed", {
          verb: "lost",
          message: `PARTIAL SYNC ${what}`,
          tags: "v1, v2(FAILED)",
          stderr: words,
        }),
      ]);
    })
  ));

import assert from "node:assert/strict";
import { COMPLETIONS } from "../../src/cli/completion.ts";
import { createRepository } from "../../src/domain/repositories/repositories.ts";
import { startMirrorWorker } from "../../src/workers/repo_mirror.ts";
import { runOperator } from "../cli/operator.ts";
import { withEdge } from "./edge.ts";
import { withFake } from "./fake_registry.ts";
import { randomBytes } from "./images.ts";

const config = { FEATURE_REPO_MIRROR: true, SSRF_ALLOWED_HOSTS: ["127.0.0.0/8"] };

Deno.test("quaylet mirror: a life", () =>
  withFake((fake) =>
    withEdge({ config }, async (edge) => {
      const { deps } = edge;
      const kept = fake.image("v1.2", [randomBytes(2000, 1)]);
      fake.image("edge", [randomBytes(2000, 2)]);
      const repository = { namespace: "acme", name: "app", visibility: "private" } as const;
      await createRepository(deps, { kind: "operator" }, repository);
      const mirror = (...line: string[]) => runOperator(edge.deps, ["mirror", ...line]);

      assert.equal((await mirror("show", "acme/app")).code, 3);
      const created = await runOperator(edge.deps, [
        "mirror",
        "create",
        "acme/app",
        ...[
          "--from",
          `${fake.host}/app`,
          "--robot",
          "acme+mirror",
          "--tags",
          "v*,edge",
          "--every",
          "0",
          "--start",
          "2100-01-01T00:00:00Z",
        ],
        ...["--no-verify-tls", "--username", "puller", "--password-stdin", "--rate", "50MB", "--json"],
      ], "s3cret-word\n");
      assert.deepEqual([created.code, created.err], [0, ""]);
      assert.equal(
        (await mirror("create", "acme/app", "--from", "x.example/y", "--robot", "acme+mirror")).code,
        4,
      );

      const shown = await mirror("show", "acme/app", "--json");
      assert.ok(!shown.out.includes("s3cret-word"));
      const { from, signsIn, verifyTls, status, everySeconds, rules, limits } = JSON.parse(shown.out);
      assert.deepEqual({ from, signsIn, verifyTls, status, everySeconds, rules, limits }, {
        from: `${fake.host}/app`,
        signsIn: true,
        verifyTls: false,
        status: "NEVER_RUN",
        everySeconds: 0,
        rules: { globs: ["v*", "edge"] },
        limits: { bytesPerSecond: 50_000_000 },
      });
      assert.match((await mirror("list", "acme")).out, /^app +127\.0\.0\.1:\d+\/app +NEVER_RUN/m);

      const updated = await mirror(
        "update",
        "acme/app",
        "--exclude",
        "ed*",
        "--rate",
        "none",
        "--username",
        "none",
      );
      assert.deepEqual([updated.code, updated.out], [0, "changed acme/app\n"]);
      const after = JSON.parse((await mirror("show", "acme/app", "--json")).out);
      assert.deepEqual([after.rules.exclude, after.limits, after.signsIn], [["ed*"], {}, false]);

      const plan = JSON.parse((await mirror("preview", "acme/app", "--json")).out);
      assert.deepEqual([plan.tags, plan.changed, plan.failed], [["v1.2"], ["v1.2"], []]);
      assert.equal((await mirror("verify", "acme/app")).code, 1, "nothing is here yet");
      assert.equal((await mirror("progress", "acme/app")).out, "NEVER_RUN: no run yet\n");
      assert.equal((await mirror("cancel", "acme/app")).code, 3);

      const stop = startMirrorWorker(deps);
      try {
        const followed = await mirror("sync", "acme/app", "--follow");
        assert.equal(followed.code, 0, followed.err);
        assert.match(followed.out, /^SUCCESS \[#{24}\] 100 %, 1\/1 tags, /);
      } finally {
        await stop();
      }
      const [{ id }] = await deps.sql`select id from repository where name = 'app'` as unknown as [
        { id: number },
      ];
      assert.deepEqual(await edge.tags(await edge.find(id)), { "v1.2": kept });
      assert.deepEqual((await mirror("verify", "acme/app", "--read")).out, "whole\n");

      assert.equal((await mirror("disable", "acme/app")).code, 0);
      assert.equal(JSON.parse((await mirror("show", "acme/app", "--json")).out).enabled, false);
      assert.equal((await mirror("enable", "acme/app")).code, 0);
    })
  ));

Deno.test("quaylet mirror: wrong usage is told before the database is opened, wrong values in words", () =>
  withEdge({ config }, async (edge) => {
    await createRepository(edge.deps, { kind: "operator" }, {
      namespace: "acme",
      name: "app",
      visibility: "private",
    });
    const create = ["create", "acme/app", "--from", "127.0.0.1:1/x", "--robot", "acme+mirror"];
    const rows: [string[], number, RegExp][] = [
      [["create", "acme/app", "--robot", "acme+mirror"], 2, /--from is missing/],
      [["update", "acme/app"], 2, /say what to change/],
      [["show", "app"], 2, /no repository/],
      [["list", "nowhere"], 3, /no namespace nowhere/],
      [[...create, "--every", "often"], 2, /--every is a whole number/],
      [[...create, "--rate", "fast"], 2, /--rate is a number of bytes/],
      [[...create, "--start", "soon"], 2, /--start is a date/],
      [[...create, "--username", "me"], 2, /--password-stdin/],
      [[...create, "--windows", "2-5"], 1, /is no window/],
      [["create", "acme/app", "--from", "127.0.0.1:1/x", "--robot", "other+mirror"], 1, /robot of acme/],
    ];
    for (const [line, code, message] of rows) {
      const result = await runOperator(edge.deps, ["mirror", ...line]);
      assert.equal(result.code, code, line.join(" "));
      assert.match(result.err, message);
    }
  }));

Deno.test("quaylet mirror: without FEATURE_REPO_MIRROR nothing is allowed", () =>
  withEdge({ config: { FEATURE_REPO_MIRROR: false } }, async (edge) => {
    for (const line of [["list", "acme"], ["show", "acme/app"]]) {
      assert.equal((await runOperator(edge.deps, ["mirror", ...line])).code, 5, line.join(" "));
    }
  }));

Deno.test("quaylet mirror: every subcommand is offered by completion", async () => {
  const { out } = await runOperator(undefined, "help mirror");
  for (const word of COMPLETIONS.mirror ?? []) assert.ok(out.includes(`quaylet mirror ${word} `), word);
});

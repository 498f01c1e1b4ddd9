import assert from "node:assert/strict";
import { runOperator } from "../cli/operator.ts";
import { randomBytes } from "../mirror/images.ts";
import { QUAY_TOKEN, startFakeQuay, withNamespace } from "./fake_parents.ts";
import { withMirroringEdge } from "./mirroring_edge.ts";

Deno.test("quaylet org-mirror: a life", () =>
  withNamespace(startFakeQuay, (fake) =>
    withMirroringEdge(async (edge) => {
      const digest = fake.image("v1", [randomBytes(2000, 1)]);
      fake.repositories.push("app", "left-out");
      const run = (line: string, input = "") => runOperator(edge.deps, `org-mirror ${line}`, input);

      assert.equal((await run("show acme")).code, 3);
      const from = `--from http://${fake.host}/base --robot acme+mirror`;
      const created = await run(
        `create acme ${from} --filters app,other* --no-verify-tls --password-stdin --start 2100-01-01T00:00:00Z`,
        `${QUAY_TOKEN}\n`,
      );
      assert.deepEqual([created.code, created.out, created.err], [0, "made a mirror of acme\n", ""]);
      assert.equal((await run(`create acme ${from}`)).code, 1, "it follows one already");

      const shown = await run("show acme --json");
      assert.ok(!shown.out.includes(QUAY_TOKEN));
      const { from: source, product, signsIn, verifyTls, filters, visibility, everySeconds, status } = JSON
        .parse(
          shown.out,
        );
      assert.deepEqual({ source, product, signsIn, verifyTls, filters, visibility, everySeconds, status }, {
        source: `http://${fake.host}/base`,
        product: "quay",
        signsIn: true,
        verifyTls: false,
        filters: ["app", "other*"],
        visibility: "private",
        everySeconds: 86400,
        status: "NEVER_RUN",
      });
      assert.equal((await run("verify acme")).out, "Connection successful\n");
      assert.equal((await run("cancel acme")).code, 1, "nothing is under way");

      assert.equal((await run("sync acme")).out, "queued a run of acme\n");
      await edge.working(() => edge.settled());
      const found = JSON.parse((await run("repositories acme --json")).out);
      assert.deepEqual(
        found.map(({ name, status, repository }: Record<string, unknown>) => [name, status, repository]),
        [["app", "SUCCESS", "acme/app"]],
      );
      assert.deepEqual(await edge.tags("app"), { v1: digest });

      const updated = await run("update acme --filters left* --visibility public");
      assert.deepEqual([updated.code, updated.out], [0, "changed acme\n"]);
      assert.match((await run("show acme")).out, /^repositories +left\*$/m);
      assert.equal((await run("disable acme")).code, 0);
      assert.match((await run("show acme")).out, /^enabled +no$/m);
      assert.equal((await run("enable acme")).code, 0);

      assert.equal((await run("delete acme")).out, "ended the mirror of acme\n");
      assert.equal((await run("show acme")).code, 3);
      const kept = JSON.parse((await runOperator(edge.deps, "tag list acme/app --json")).out);
      assert.deepEqual(kept.map(({ name }: { name: string }) => name), ["v1"], "what it brought stays");
    })));

Deno.test("quaylet org-mirror: wrong usage is told before the database is opened", async () => {
  const rows: [string, RegExp][] = [
    ["create acme --robot acme+mirror", /--from is missing/],
    ["create acme --from registry.example/base --robot acme+mirror", /--from is https:\/\/HOST\/NAMESPACE/],
    ["create acme --from https://registry.example/a/b --robot acme+mirror", /--from is https:/],
    [
      "create acme --from https://registry.example/base --robot acme+mirror --product jfrog",
      /quay or harbor/,
    ],
    ["update acme --product harbor", /--product stays/],
    ["update acme --visibility secret", /public or private/],
  ];
  for (const [line, message] of rows) {
    const { code, err } = await runOperator(undefined, `org-mirror ${line}`);
    assert.equal(code, 2, line);
    assert.match(err, message);
  }
});

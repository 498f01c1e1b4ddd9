import assert from "node:assert/strict";
import { randomBytes } from "../mirror/images.ts";
import { startFakeHarbor, startFakeQuay, withNamespace } from "./fake_parents.ts";
import { productOf, withMirroringEdge } from "./mirroring_edge.ts";

for (const start of [startFakeQuay, startFakeHarbor]) {
  const product = productOf(start);
  Deno.test(`${product}: every repository of the namespace is made and mirrored, page after page`, () =>
    withNamespace(start, (fake) =>
      withMirroringEdge(async (edge) => {
        const digest = fake.image("v1", [randomBytes(10_000, 1)]);
        fake.repositories.push("app", "team/tool", "third");
        fake.pageSize = 2;
        await edge.follow(fake.host, { product });
        await edge.working(() => edge.settled());
        for (const name of fake.repositories) {
          assert.deepEqual(await edge.tags(name), { v1: digest }, name);
          await edge.edge.readWhole(await edge.mirrorOf(name), digest);
        }
      })));
}

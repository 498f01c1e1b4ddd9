import { expect } from "@std/testing";
import { API_ROUTES } from "../../../src/http/api/api.ts";
import { testDeps, withDatabase } from "../../database.ts";
import { mount } from "../api_client.ts";
import { UndoingPool } from "./rolled_back.ts";
import { requestOf, ROUTES, type Row, rowsOf, VARIANTS } from "./rows.ts";
import type { Variant } from "./variants.ts";
import { type Built, withWorld } from "./with_world.ts";

Deno.test("the table: every route is in it, and nothing else", () => {
  const described = ROUTES.map(({ method, path }) => `${method} ${path}`);
  const real = API_ROUTES.map(({ method, path }) => `${method} ${path}`);
  expect({
    routesWithoutRow: real.filter((route) => !described.includes(route)),
    rowsWithoutRoute: described.filter((route) => !real.includes(route)),
    twice: described.filter((route, index) => described.indexOf(route) !== index),
  }).toEqual({ routesWithoutRow: [], rowsWithoutRoute: [], twice: [] });
});

Deno.test("the table: each row is answered as the rules say", async (t) => {
  let count = 0;
  await withWorld(async (built) => {
    for (const variant of VARIANTS) {
      const rows = rowsOf(variant);
      count += rows.length;
      await t.step(`${variant.name}: ${rows.length} rows`, async () => {
        expect(await wrongOnes(built, variant, rows)).toEqual([]);
      });
    }
  });
  expect(count).toBeGreaterThan(5000);
});

/** While one waits for the database another can be answered: each in a database of its own, so that none waits for locks. */
const LANES = 3;

/** What is wrong, all of it at once, a line a row. */
async function wrongOnes(built: Built, variant: Variant, rows: readonly Row[]): Promise<string[]> {
  const size = Math.ceil(rows.length / LANES);
  const lanes = Array.from({ length: LANES }, (_, lane) => rows.slice(lane * size, (lane + 1) * size));
  return (await Promise.all(lanes.map((lane) => wrongAmong(built, variant, lane)))).flat();
}

async function wrongAmong(built: Built, variant: Variant, rows: readonly Row[]): Promise<string[]> {
  const { world, template, credentials, storage } = built;
  const wrong: string[] = [];
  await withDatabase(async (sql) => {
    const undoing = new UndoingPool(sql);
    const app = mount(
      testDeps(undoing.pool, { storage, config: { ...world.deps.config, ...variant.config } }),
    );
    for (const row of rows) {
      const { route, caller, target, absent, expected } = row;
      const { method, path, body } = requestOf(world, row);
      const headers = credentials.get(caller.name)!();
      const request = new Request(`http://registry.test${path}`, { method, headers, body: body ?? null });
      const [status, text] = await undoing.undone(async () => {
        const response = await app.fetch(request);
        return [response.status, await response.text()];
      });
      if (status === expected) continue;
      const where = `${target.name}${absent ? ", absent" : ""}`;
      wrong.push(
        `${route.method} ${route.path} as ${caller.name} on ${where}: ` +
          `${status} instead of ${expected}: ${text.slice(0, 200)}`,
      );
    }
  }, template);
  return wrong;
}

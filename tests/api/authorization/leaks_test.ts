/**
 * What belongs to others must not be told from what does not exist: an answer to somebody without rights may differ in the
 * name that was asked for, and in nothing else.
 */
import { expect } from "@std/testing";
import { testDeps, withDatabase } from "../../database.ts";
import { mount } from "../api_client.ts";
import { CALLERS } from "./callers.ts";
import { UndoingPool } from "./rolled_back.ts";
import { FEATURES, requestOf, ROUTES, targetsOf } from "./rows.ts";
import { switched } from "./variants.ts";
import { type Target, TARGETS } from "./world.ts";
import { withWorld } from "./with_world.ts";

/** Who must not learn: of nothing that {@link HIDDEN} lists do they know. */
const CALLING = ["anonymous", "outsider", "restricted user"];

/** Something that exists, and what it must look like. */
const HIDDEN: readonly [existing: string, missing: string][] = [
  ["private", "missing"],
  ["foreign", "foreign missing"],
  ["private", "in no namespace"],
  ["read-only", "missing"],
  ["mirror", "missing"],
  ["in a disabled namespace", "missing"],
  ["own organization", "missing organization"],
  ["foreign organization", "missing organization"],
];

Deno.test("no leaks: to an outsider, what is others' looks like what is not there, byte for byte", async () => {
  await withWorld(async ({ world, template, credentials, storage }) => {
    const told: string[] = [];
    await withDatabase(async (sql) => {
      const undoing = new UndoingPool(sql);
      const config = { ...world.deps.config, ...switched(FEATURES, true) };
      const app = mount(testDeps(undoing.pool, { storage, config }));
      const ask = async (
        callerName: string,
        route: typeof ROUTES[number],
        target: Target,
        absent: boolean,
      ) => {
        const caller = CALLERS.find(({ name }) => name === callerName)!;
        const { method, path, body } = requestOf(world, { route, caller, target, absent });
        const headers = credentials.get(callerName)!();
        const response = await undoing.undone(() =>
          Promise.resolve(app.fetch(
            new Request(`http://registry.test${path}`, { method, headers, body: body ?? null }),
          ))
        );
        const sent = [...response.headers].filter(([name]) => name !== "set-cookie" && name !== "date");
        return nameless(target, `${response.status} ${JSON.stringify(sent)} ${await response.text()}`);
      };
      for (const route of ROUTES) {
        // What an organization is called is public; so are the lists of what one may see.
        if (route.who === "anyone") continue;
        const targets = targetsOf(route);
        for (const [there, notThere] of HIDDEN) {
          const existing = targets.find(({ name }) => name === there);
          const missing = targets.find(({ name }) => name === notThere);
          if (existing === undefined || missing === undefined) continue;
          for (const caller of CALLING) {
            for (const absent of [false, true]) {
              const [a, b] = [
                await ask(caller, route, existing, absent),
                await ask(caller, route, missing, absent),
              ];
              if (a === b) continue;
              told.push(
                `${route.method} ${route.path} tells ${caller} of ${there} (${notThere}):\n${a}\n${b}`,
              );
            }
          }
        }
      }
    }, template);
    expect(told).toEqual([]);
  });
});

/** An answer without the names that were asked for. */
function nameless({ namespace, repository }: Target, text: string): string {
  const path = `${namespace}/${repository}`;
  return text.replaceAll(path, "?").replaceAll(`"${namespace}"`, '"?"').replaceAll(`"${repository}"`, '"?"');
}

Deno.test("no leaks: every pair names targets that there are", () => {
  const names = TARGETS.map(({ name }) => name);
  for (const pair of HIDDEN) for (const name of pair) expect(names).toContain(name);
});

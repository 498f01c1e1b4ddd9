/**
 * Every route with what no client should send: wrong types, nothing, too much, texts that databases choke on. Whatever it
 * is, the answer is never 500. The order is the same in each run.
 */
import { expect } from "@std/testing";
import type { Hono } from "hono";
import * as z from "zod";
import { API_ROUTES } from "../../src/http/api/api.ts";
import type { Route } from "../../src/http/api/route.ts";
import type { Logger } from "../../src/lib/logger.ts";
import { silentLogger, testDeps, withDatabase } from "../database.ts";
import { UndoingPool } from "./authorization/rolled_back.ts";
import { type DescribedRoute, requestOf, ROUTES, targetsOf } from "./authorization/rows.ts";
import { type Built, withWorld } from "./authorization/with_world.ts";
import { CALLERS } from "./authorization/callers.ts";
import { mount } from "./api_client.ts";

const SEED = 20_261_125;
/** Requests a route at most; a few where each costs a password check of a quarter of a second. */
const PER_ROUTE = 70;
const PER_SLOW_ROUTE = 6;

const TEXTS: readonly string[] = [
  "",
  " ",
  "\u0000",
  "a\u0000b",
  "💩",
  "é\u0301\u202e",
  "\ufffe\uffff",
  "..",
  "../../etc/passwd",
  "a/b",
  "%",
  "%00",
  "%zz",
  "'; drop table tag; --",
  "$1",
  "\\",
  "*",
  "(a+)+$",
  "-1",
  "0",
  "1.5",
  "2147483648",
  "9223372036854775808",
  "99999999999999999999999999",
  "1e400",
  "NaN",
  "null",
  "true",
  "[]",
  "sha256:" + "0".repeat(64),
  "sha256:x",
  "like:%",
  "2026-02-31T25:61:00Z",
  "02/31/2026",
  "http://[::1]:99999/",
  "https://example.org:0/\u0000",
  "a@b@c",
  "x".repeat(300),
  "x".repeat(20_000),
];

const VALUES: readonly unknown[] = [
  ...TEXTS,
  null,
  true,
  0,
  -1,
  1.5,
  2_147_483_648,
  2 ** 53 + 2,
  -(2 ** 63),
  1e308,
  [],
  {},
  [null],
  [[]],
  [""],
  { "": "" },
  { __proto__: null, constructor: "x" },
  deep(40),
  Array.from({ length: 5_000 }, (_, n) => n),
  Array.from({ length: 200 }, () => ({ name: "x" })),
];

const RAW_BODIES: readonly (string | Uint8Array)[] = [
  "",
  "{",
  "null",
  "\ufeff{}",
  '"\\ud800"',
  '{"a":1,"a":2}',
  "[".repeat(100_000),
  new Uint8Array([0xff, 0xfe, 0x00]),
  new Uint8Array(1_100_000).fill(0x20),
];

function deep(levels: number): unknown {
  let value: unknown = "x";
  for (let n = 0; n < levels; n++) value = n % 2 === 0 ? [value] : { a: value };
  return value;
}

/** The same numbers in each run. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Attempt {
  readonly method: string;
  readonly path: string;
  readonly body: BodyInit | undefined;
}

Deno.test("fuzz: whatever is sent to whichever route, the answer is not 500", async () => {
  const failed: string[] = [];
  await withWorld(async ({ world, template, credentials, storage }: Built) => {
    await withDatabase(async (sql) => {
      const undoing = new UndoingPool(sql);
      const errors: unknown[] = [];
      const log: Logger = { ...silentLogger, error: (_text, fields) => void errors.push(fields?.error) };
      const config = { ...world.deps.config, FEATURE_SUPERUSERS_FULL_ACCESS: true };
      const app: Hono = mount(testDeps(undoing.pool, { storage, log, config }));
      const pick = random(SEED);
      for (const route of API_ROUTES) {
        const described = ROUTES.find(({ method, path }) => method === route.method && path === route.path);
        if (described === undefined) continue;
        for (const attempt of attempts(route, described, pick)) {
          // Mostly by whoever may do most, else by whoever owns the organization.
          const headers = credentials.get(pick() < 0.8 ? "superuser" : "organization admin")!();
          const { method, path, body } = attempt;
          const request = new Request(`http://registry.test${path}`, { method, headers, body: body ?? null });
          errors.length = 0;
          const status = await undoing.undone(async () => {
            const response = await app.fetch(request);
            await response.body?.cancel();
            return response.status;
          });
          if (status !== 500 && errors.length === 0) continue;
          const sent = typeof body === "string" ? body.slice(0, 150) : body === undefined ? "" : "(bytes)";
          failed.push(`${method} ${path.slice(0, 200)} ${sent}: ${status} ${errors[0]}`);
        }
      }

      function* attempts(route: Route, described: DescribedRoute, pick: () => number): Generator<Attempt> {
        const slow = JSON.stringify(described.body ?? "").includes("assword") ||
          route.path.includes("signin");
        const all = [...everyAttempt(route, described)];
        const most = slow ? PER_SLOW_ROUTE : PER_ROUTE;
        for (let n = 0; n < most && all.length > 0; n++) {
          yield all.splice(Math.floor(pick() * all.length), 1)[0]!;
        }
      }

      /** What is right but for one thing, for each thing and each wrong value. */
      function* everyAttempt(route: Route, described: DescribedRoute): Generator<Attempt> {
        const caller = CALLERS.find(({ name }) => name === "superuser")!;
        const target = targetsOf(described)[0]!;
        const right = requestOf(world, { route: described, caller, target, absent: false });
        const body = right.body === undefined ? undefined : JSON.parse(right.body);
        const send = (path: string, body: BodyInit | undefined) => ({ method: right.method, path, body });
        const names = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
        for (const name of names) {
          for (const text of TEXTS) {
            const other = { ...described, with: { ...described.with, [name]: "\u0001" } };
            const { path } = requestOf(world, { route: other, caller, target, absent: false });
            const place = name === "repository" || name === "orgname" ? undefined : path;
            const segment = encodeURIComponent(text).slice(0, 8000);
            const wrong = (place ?? placeFor(route, name, path)).replace("\u0001", segment);
            yield send(wrong, right.body);
          }
        }
        for (const name of Object.keys(properties(route.query))) {
          for (const text of TEXTS) {
            const glue = right.path.includes("?") ? "&" : "?";
            yield send(`${right.path}${glue}${name}=${encodeURIComponent(text)}`, right.body);
          }
        }
        if (route.body === undefined) return;
        for (const raw of RAW_BODIES) yield send(right.path, raw as BodyInit);
        for (const value of VALUES) yield send(right.path, JSON.stringify(value));
        for (const name of Object.keys(properties(route.body))) {
          for (const value of VALUES) yield send(right.path, JSON.stringify({ ...body, [name]: value }));
          const { [name]: _, ...without } = body ?? {};
          yield send(right.path, JSON.stringify(without));
        }
        // One level down: rules, configurations, messages are objects of their own.
        for (const [name, inner] of Object.entries<Record<string, unknown>>(body ?? {})) {
          if (typeof inner !== "object" || inner === null) continue;
          for (const key of Object.keys(inner)) {
            for (const value of VALUES) {
              yield send(right.path, JSON.stringify({ ...body, [name]: { ...inner, [key]: value } }));
            }
          }
        }
      }
    }, template);
  });
  expect(failed).toEqual([]);
});

/** The path with a place for the parameter that the target gives. */
function placeFor(route: Route, name: string, path: string): string {
  const before = route.path.slice(0, route.path.indexOf(`{${name}}`));
  const after = route.path.slice(before.length + name.length + 2);
  return `/api/v1${before}\u0001${after.replace(/\{\w+\}/g, "x")}` +
    (path.includes("?") ? path.slice(path.indexOf("?")) : "");
}

function properties(schema: z.ZodType | undefined): Record<string, unknown> {
  if (schema === undefined) return {};
  const { properties, anyOf } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as {
    properties?: Record<string, unknown>;
    anyOf?: { properties?: Record<string, unknown> }[];
  };
  return properties ?? Object.assign({}, ...(anyOf ?? []).map((one) => one.properties ?? {}));
}

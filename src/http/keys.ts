import { type Context, Hono } from "hono";
import { ANONYMOUS } from "../domain/access/access.ts";
import type { Deps } from "../domain/deps.ts";
import { putKey, withdrawKey } from "../domain/site/service_key_server.ts";
import { getServiceKey, listServiceKeys, type ServiceKeyState } from "../domain/site/service_keys.ts";
import { AppError, type ErrorCode } from "../lib/errors.ts";
import { BodyTooLarge, readJson } from "./api/body.ts";
import { originOf } from "./api/client.ts";

const DAY_S = 24 * 3600;
/** Quay's statuses for a key that is there but may not be used. */
const REFUSALS: Readonly<Record<Exclude<ServiceKeyState, "usable">, 409 | 403>> = {
  "not approved": 409,
  expired: 403,
};
/** Failures that a service is meant to see. */
const STATUSES = {
  invalid_request: 400,
  insufficient_scope: 403,
  not_found: 404,
  already_exists: 409,
  too_many_attempts: 429,
  registry_readonly: 503,
} as const satisfies Partial<Record<ErrorCode, number>>;

/** All of `/keys`: the public keys of services, for anybody, and where services leave theirs. quay-facts auth.md §11. */
export function keyRoutes(deps: Deps): Hono {
  const app = new Hono();
  app.get("/services/:service/keys", async (c) => {
    return c.json({ keys: await listServiceKeys(deps, c.req.param("service")) });
  });
  app.get("/services/:service/keys/:kid", async (c) => {
    const { service, kid } = c.req.param();
    const { state, jwk, expiresAtMs } = await getServiceKey(deps, service, kid);
    if (state !== "usable") return c.json({ message: `The key is ${state}` }, REFUSALS[state]);
    const leftS = expiresAtMs === null ? DAY_S : Math.floor((expiresAtMs - deps.now()) / 1000);
    c.header("Cache-Control", `public, max-age=${Math.max(0, Math.min(leftS, DAY_S))}`);
    return c.json(jwk);
  });
  app.put("/services/:service/keys/:kid", async (c) => {
    const expiration = numberParam(c, "expiration");
    const state = await putKey(deps, { ...ANONYMOUS, ...originOf(c) }, c.req.param(), bearerOf(c), {
      jwk: await readJson(c.req.raw),
      expiresAtMs: expiration === null ? null : expiration * 1000,
      rotationDurationS: numberParam(c, "rotation"),
    });
    return c.body(null, state === "waiting" ? 202 : 200);
  });
  app.delete("/services/:service/keys/:kid", async (c) => {
    await withdrawKey(deps, { ...ANONYMOUS, ...originOf(c) }, c.req.param(), bearerOf(c));
    return c.body(null, 204);
  });
  app.onError((error, c) => {
    if (error instanceof BodyTooLarge) return c.json({ message: "The request body is too large" }, 413);
    const status = error instanceof AppError
      ? (STATUSES as Readonly<Record<string, (typeof STATUSES)[keyof typeof STATUSES]>>)[error.code]
      : undefined;
    if (!(error instanceof AppError) || status === undefined) throw error;
    if (status === 429) c.header("Retry-After", `${error.detail.retry_after ?? 60}`);
    return c.json({ message: error.publicMessage }, status);
  });
  return app;
}

/** @throws {AppError} `invalid_request` */
function bearerOf(c: Context): string {
  const found = /^bearer +([\w.-]{1,16384}) *$/i.exec(c.req.header("Authorization") ?? "");
  if (found === null) throw new AppError("invalid_request", "A bearer token must say who asks");
  return found[1]!;
}

/** @throws {AppError} `invalid_request` when it is there and no number */
function numberParam(c: Context, name: string): number | null {
  const text = c.req.query(name);
  if (text === undefined || text === "") return null;
  if (!/^\d{1,15}(?:\.\d{1,9})?$/.test(text)) throw new AppError("invalid_request", `${name} is no number`);
  return Number(text);
}

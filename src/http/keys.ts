import { Hono } from "hono";
import type { Deps } from "../domain/deps.ts";
import { getServiceKey, listServiceKeys, type ServiceKeyState } from "../domain/service_keys.ts";
import { AppError } from "../lib/errors.ts";

const DAY_S = 24 * 3600;
/** Quay's statuses for a key that is there but may not be used. */
const REFUSALS: Readonly<Record<Exclude<ServiceKeyState, "usable">, 409 | 403>> = {
  "not approved": 409,
  expired: 403,
};

/** GET below `/keys`: the public keys of services, for anybody. quay-facts auth.md §11. */
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
  app.onError((error, c) => {
    if (error instanceof AppError && error.code === "not_found") {
      return c.json({ message: error.publicMessage }, 404);
    }
    throw error;
  });
  return app;
}

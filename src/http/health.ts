import { createHmac, timingSafeEqual } from "node:crypto";
import { type Context, Hono } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import type { Config } from "../config/schema.ts";
import type { Health, HealthReport } from "../domain/site/health.ts";

export interface HealthRoutesDeps {
  readonly config: Pick<Config, "ENABLE_HEALTH_DEBUG_SECRET" | "FEATURE_BILLING" | "TESTING">;
  readonly health: Health;
  /** Whether the request's session or token is a superuser's. Failing to find out means no. */
  readonly isSuperuser: (request: Request) => Promise<boolean>;
  /** Kid of this instance's service key. */
  readonly serviceKeyId: () => string | undefined;
  /** True when the database has exactly the migrations that this program knows. */
  readonly schemaIsCurrent: () => Promise<boolean>;
}

const DEBUG_COOKIE = "quaylet_health_debug";

/** Quay's health endpoints and pings, none of which asks who you are. Mount at `/`. */
export function healthRoutes(deps: HealthRoutesDeps): Hono {
  const { config, health } = deps;
  const app = new Hono();
  const view = (run: () => Promise<HealthReport>) => async (c: Context) => {
    const report = await run();
    const services = Object.fromEntries(Object.entries(report).map(([name, { ok }]) => [name, ok]));
    const status = Object.values(services).every(Boolean) ? 200 : 503;
    const more = await seesDetails(c, deps) ? details(report, deps) : {};
    return c.json({ data: { services, ...more }, status_code: status }, status, NO_STORE);
  };

  app.on("GET", ["/health", "/health/instance"], view(health.instance));
  app.on("GET", ["/status", "/health/endtoend"], view(health.endToEnd));
  app.get("/health/warning", view(health.warning));

  app.get("/health/enabledebug/:secret", (c) => {
    const secret = config.ENABLE_HEALTH_DEBUG_SECRET;
    if (!secret || !sameText(c.req.param("secret"), secret)) return c.text("Not found\n", 404);
    setCookie(c, DEBUG_COOKIE, debugProof(secret), { path: "/", httpOnly: true, sameSite: "Lax" });
    return c.text("Health check debug information enabled for this session.\n", 200, NO_STORE);
  });

  app.get("/health/dbrevision", async (c) => {
    if (!config.FEATURE_BILLING) return c.text("Not found\n", 404);
    return await deps.schemaIsCurrent()
      ? c.text("the database is at this program's revision\n")
      : c.text("the database is not at this program's revision\n", 400);
  });

  const pong = () => new Response("true", { headers: { "Content-Type": "text/html; charset=utf-8" } });
  app.on("GET", ["/_internal_ping", "/v1/_internal_ping", "/secscan/_internal_ping"], pong);
  app.get("/v1/_ping", () => {
    const response = pong();
    response.headers.set("X-Docker-Registry-Version", "0.6.0");
    response.headers.set("X-Docker-Registry-Standalone", "0");
    return response;
  });
  return app;
}

const NO_STORE = { "Cache-Control": "no-store" };

async function seesDetails(c: Context, { config, isSuperuser }: HealthRoutesDeps): Promise<boolean> {
  const secret = config.ENABLE_HEALTH_DEBUG_SECRET;
  const cookie = getCookie(c, DEBUG_COOKIE);
  if (secret && cookie !== undefined && sameText(cookie, debugProof(secret))) return true;
  return await isSuperuser(c.req.raw).catch(() => false);
}

function details(report: HealthReport, deps: HealthRoutesDeps): Record<string, unknown> {
  const expanded = Object.entries(report).map(([name, { ok, message }]) => [
    name,
    { status: ok, ...(message === undefined ? {} : { [ok ? "message" : "failure"]: message }) },
  ]);
  return {
    services_expanded: Object.fromEntries(expanded),
    notes: [],
    is_testing: deps.config.TESTING,
    config_provider: "file",
    local_service_key_id: deps.serviceKeyId() ?? null,
    hostname: Deno.hostname(),
  };
}

/** The debug session is this proof in a cookie: any worker and node can check it, and it ends with the secret. */
function debugProof(secret: string): string {
  return createHmac("sha256", secret).update("quaylet health debug session").digest("base64url");
}

/** Hashed first, so that neither content nor length shows in the time taken. */
function sameText(a: string, b: string): boolean {
  const hash = (text: string) => createHmac("sha256", "compare").update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}

import { expect } from "@std/testing";
import { defaultConfig } from "../../src/config/schema.ts";
import type { Health, HealthReport } from "../../src/domain/site/health.ts";
import { healthRoutes, type HealthRoutesDeps } from "../../src/http/health.ts";

const GOOD: HealthReport = { database: { ok: true }, auth: { ok: true } };
const BAD: HealthReport = {
  database: { ok: false, message: "the inside story" },
  auth: { ok: true, message: "fine" },
};

function site(report: HealthReport = GOOD, overrides: Partial<HealthRoutesDeps> = {}) {
  const give = () => Promise.resolve(report);
  const health: Health = {
    instance: give,
    endToEnd: give,
    warning: () => Promise.resolve({ disk_space_warning: { ok: true } }),
  };
  return healthRoutes({
    config: defaultConfig({ ENABLE_HEALTH_DEBUG_SECRET: "opensesame" }),
    health,
    isSuperuser: () => Promise.resolve(false),
    serviceKeyId: () => "kid-1",
    schemaIsCurrent: () => Promise.resolve(true),
    ...overrides,
  });
}

for (const path of ["/health", "/health/instance", "/health/endtoend", "/status"]) {
  Deno.test(`GET ${path}: Quay's body, and its status code as the answer's`, async () => {
    const good = await site().request(path);
    expect(good.status).toBe(200);
    expect(good.headers.get("content-type")).toMatch(/^application\/json/);
    expect(await good.json()).toEqual({
      data: { services: { database: true, auth: true } },
      status_code: 200,
    });
    const bad = await site(BAD).request(path);
    expect(bad.status).toBe(503);
    expect(await bad.json()).toEqual({
      data: { services: { database: false, auth: true } },
      status_code: 503,
    });
  });
}

Deno.test("GET /health/warning: the disk's warning only", async () => {
  const response = await site().request("/health/warning");
  expect(await response.json()).toEqual({
    data: { services: { disk_space_warning: true } },
    status_code: 200,
  });
});

Deno.test("GET /health/enabledebug/<secret>: the session then sees why, others do not", async () => {
  const app = site(BAD);
  expect((await app.request("/health/enabledebug/wrong")).status).toBe(404);
  const enabled = await app.request("/health/enabledebug/opensesame");
  expect(enabled.status).toBe(200);
  const cookie = enabled.headers.get("set-cookie")!;
  expect(cookie).toMatch(/HttpOnly/);
  expect(cookie).not.toContain("opensesame");
  const seen = await (await app.request("/health", { headers: { cookie: cookie.split(";")[0]! } })).json();
  expect(seen.data).toEqual({
    services: { database: false, auth: true },
    services_expanded: {
      database: { status: false, failure: "the inside story" },
      auth: { status: true, message: "fine" },
    },
    notes: [],
    is_testing: false,
    config_provider: "file",
    local_service_key_id: "kid-1",
    hostname: Deno.hostname(),
  });
  const forged = await app.request("/health", { headers: { cookie: "quaylet_health_debug=forged" } });
  expect(await forged.text()).not.toContain("story");
});

Deno.test("GET /health/enabledebug/<secret>: 404 where no secret is set", async () => {
  const app = site(BAD, { config: defaultConfig() });
  for (const secret of ["", "null", "undefined"]) {
    expect((await app.request(`/health/enabledebug/${secret}`)).status).toBe(404);
  }
});

Deno.test("GET /health: a superuser sees why; when that cannot be found out, nobody does", async () => {
  const seen = await site(BAD, { isSuperuser: () => Promise.resolve(true) }).request("/health");
  expect(await seen.text()).toContain("the inside story");
  const unknown = await site(BAD, { isSuperuser: () => Promise.reject(new Error("no database")) }).request(
    "/health",
  );
  expect(unknown.status).toBe(503);
  expect(await unknown.text()).not.toContain("story");
});

Deno.test("GET /health/dbrevision: only with FEATURE_BILLING", async () => {
  expect((await site().request("/health/dbrevision")).status).toBe(404);
  const config = defaultConfig({ FEATURE_BILLING: true });
  expect((await site(GOOD, { config }).request("/health/dbrevision")).status).toBe(200);
  const schemaIsCurrent = () => Promise.resolve(false);
  expect((await site(GOOD, { config, schemaIsCurrent }).request("/health/dbrevision")).status).toBe(400);
});

for (const path of ["/_internal_ping", "/v1/_internal_ping", "/secscan/_internal_ping", "/v1/_ping"]) {
  Deno.test(`GET ${path}: true, without asking who you are`, async () => {
    const response = await site().request(path);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("true");
    expect(response.headers.get("x-docker-registry-version")).toBe(path === "/v1/_ping" ? "0.6.0" : null);
    expect(response.headers.get("x-docker-registry-standalone")).toBe(path === "/v1/_ping" ? "0" : null);
  });
}

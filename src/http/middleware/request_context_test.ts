import { expect } from "@std/testing";
import { createLogger, type LogLevel } from "../../lib/logger.ts";
import { createMetrics, renderMetrics } from "../../lib/metrics.ts";
import { clientViewReader } from "./client_address.ts";
import { type ContextHandler, withRequestContext } from "./request_context.ts";

const INFO = {
  remoteAddr: { transport: "tcp", hostname: "::ffff:192.0.2.7", port: 4711 },
  completed: Promise.resolve(),
} as Deno.ServeHandlerInfo<Deno.NetAddr>;

function harness(handle: ContextHandler, level: LogLevel = "debug") {
  const lines: string[] = [];
  const metrics = createMetrics();
  let ms = 0;
  const serve = withRequestContext({
    metrics,
    log: createLogger({ format: "json", level, write: (line) => lines.push(line) }),
    readClient: clientViewReader({ TRUSTED_PROXY_CIDR: null, PROXY_COUNT: 1 }),
    scheme: "http",
    clock: () => ms += 30,
  }, handle);
  const records = () => lines.map((line) => JSON.parse(line));
  return { metrics, records, ask: (url: string, init?: RequestInit) => serve(new Request(url, init), INFO) };
}

const named = (route: string, make: () => Response): ContextHandler => (_request, context) => {
  context.route = route;
  return make();
};

Deno.test("withRequestContext() logs one record a request, without headers and query", async () => {
  const { ask, records } = harness(
    named("tags.list", () => new Response("[]", { headers: { "content-length": "2" } })),
  );
  await ask("http://registry/v2/a/b/tags/list?last=s3cret-query", {
    headers: { authorization: "Bearer abcdefghijk", "x-request-id": "from-the-proxy-1" },
  });
  expect(records()).toHaveLength(1);
  expect(records()[0]).toMatchObject({
    level: "debug",
    method: "GET",
    path: "/v2/a/b/tags/list",
    route: "tags.list",
    status: 200,
    bytes: 2,
    durationMs: 30,
    client: "192.0.2.7",
    requestId: "from-the-proxy-1",
  });
  expect(JSON.stringify(records())).not.toMatch(/s3cret|abcdefghijk/);
});

const LEVELS: [method: string, status: number, level: string][] = [
  ["GET", 200, "debug"],
  ["HEAD", 404, "debug"],
  ["GET", 401, "debug"],
  ["GET", 403, "info"],
  ["PUT", 201, "info"],
  ["POST", 400, "info"],
  ["GET", 503, "warn"],
];
for (const [method, status, level] of LEVELS) {
  Deno.test(`withRequestContext() ${method} ${status} is logged at ${level}`, async () => {
    const { ask, records } = harness(() => new Response(null, { status }));
    await ask("http://registry/v2/", { method });
    expect(records()[0].level).toBe(level);
  });
}

Deno.test("withRequestContext() counts under the route's name, and unknown methods as one", async () => {
  const { ask, metrics } = harness(named("manifest", () => new Response("x")));
  await ask("http://registry/v2/a/manifests/1");
  await ask("http://registry/v2/a/manifests/2", { method: "PROPFIND" });
  const text = await renderMetrics([await metrics.snapshot()]);
  expect(text).toContain(`quay_request_duration_seconds_count{method="GET",route="manifest",status="200"} 1`);
  expect(text).toContain(
    `quay_request_duration_seconds_bucket{method="GET",route="manifest",status="200",le="0.05"} 1`,
  );
  expect(text).toContain(
    `quay_request_duration_seconds_count{method="OTHER",route="manifest",status="200"} 1`,
  );
});

Deno.test("withRequestContext() answers what was thrown with a plain 500 that carries the logged request id", async () => {
  const { ask, records } = harness(() => {
    throw new Error("the inside story", { cause: new Error("deeper") });
  }, "warn");
  const response = await ask("http://registry/x");
  const body = await response.text();
  expect(response.status).toBe(500);
  expect(body).not.toContain("story");
  const failure = records().find((record) => record.level === "error");
  expect(failure.error.stack).toContain("the inside story");
  expect(failure.error.cause.message).toBe("deeper");
  expect(response.headers.get("x-request-id")).toBe(failure.requestId);
  expect(body).toContain(failure.requestId);
});

Deno.test("withRequestContext() refuses a request id that could forge a log or a header", async () => {
  const { ask, records } = harness(() => new Response("x"));
  for (const id of ["short", "a".repeat(65), "with space in it", 'quote"quote"']) {
    await ask("http://registry/x", { headers: { "x-request-id": id } });
  }
  for (const { requestId } of records()) expect(requestId).toMatch(/^[0-9a-f]{24}$/);
  expect(new Set(records().map((record) => record.requestId)).size).toBe(4);
});

Deno.test("withRequestContext() never logs the health debug secret", async () => {
  const { ask, records } = harness(() => new Response("x", { status: 404 }));
  await ask("http://registry/health/enabledebug/opensesame");
  await ask("http://registry//health//enabledebug/opensesame");
  expect(JSON.stringify(records())).not.toContain("opensesame");
});

Deno.test("withRequestContext() gives a refusal its request id", async () => {
  const { ask } = harness(() => new Response("no", { status: 403 }));
  expect((await ask("http://registry/x")).headers.get("x-request-id")).toMatch(/^[0-9a-f]{24}$/);
});

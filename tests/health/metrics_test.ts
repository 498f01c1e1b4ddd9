import { expect } from "@std/testing";
import { metricsHandler } from "../../src/http/metrics.ts";
import { createLogger } from "../../src/lib/logger.ts";
import { createMetrics } from "../../src/lib/metrics.ts";

const silent = createLogger({ format: "json", level: "error", write: () => {} });

async function withMetricsServer(
  collect: () => Promise<object[]>,
  use: (url: string) => Promise<void>,
): Promise<void> {
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    metricsHandler({ collect, log: silent }),
  );
  await use(`http://127.0.0.1:${server.addr.port}`);
}

Deno.test("GET /metrics: the sum of all threads in Prometheus's text format", async () => {
  const threads = [createMetrics(), createMetrics()];
  for (const thread of threads) thread.pushedBytes.labels().inc(21);
  await withMetricsServer(() => Promise.all(threads.map((thread) => thread.snapshot())), async (url) => {
    const response = await fetch(`${url}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await response.text()).toContain("\nquay_registry_image_pushed_bytes_total 42\n");
  });
});

Deno.test("GET /: a small page that points at the metrics, and nothing else is there", async () => {
  await withMetricsServer(() => Promise.resolve([]), async (url) => {
    const page = await fetch(url);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('href="/metrics"');
    for (
      const [path, method, status] of [["/health", "GET", 404], ["/v2/", "GET", 404], [
        "/metrics",
        "POST",
        405,
      ]]
    ) {
      const response = await fetch(`${url}${path}`, { method: method as string });
      expect(response.status).toBe(status);
      await response.body?.cancel();
    }
  });
});

Deno.test("GET /metrics: 503 rather than a sum without one of the threads", async () => {
  await withMetricsServer(() => Promise.reject(new Error("thread 2 hangs")), async (url) => {
    const response = await fetch(`${url}/metrics`);
    expect(response.status).toBe(503);
    expect(await response.text()).not.toContain("thread 2");
  });
});

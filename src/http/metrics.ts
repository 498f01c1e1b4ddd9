import type { Logger } from "../lib/logger.ts";
import { METRICS_CONTENT_TYPE, renderMetrics } from "../lib/metrics.ts";

export interface MetricsHandlerDeps {
  /** One snapshot a thread: of the main thread and of each HTTP worker. */
  readonly collect: () => Promise<readonly object[]>;
  readonly log: Logger;
}

/** The metrics listener: `/metrics` for Prometheus, a pointer to it at `/`, nothing else. */
export function metricsHandler(
  { collect, log }: MetricsHandlerDeps,
): (request: Request) => Promise<Response> {
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname !== "/" && pathname !== "/metrics") return text("Not found\n", 404);
    if (request.method !== "GET" && request.method !== "HEAD") {
      return text("Only GET\n", 405, { Allow: "GET, HEAD" });
    }
    if (pathname === "/") {
      return text('<!doctype html><title>Quaylet metrics</title><a href="/metrics">metrics</a>\n', 200, {
        "Content-Type": "text/html; charset=utf-8",
      });
    }
    try {
      return text(await renderMetrics(await collect()), 200, { "Content-Type": METRICS_CONTENT_TYPE });
    } catch (error) {
      // A gap in the graph is better than sums without one of the threads.
      log.warn("metrics could not be collected", { error });
      return text("An HTTP worker did not answer in time\n", 503);
    }
  };
}

function text(body: string, status: number, headers: Record<string, string> = {}): Response {
  return new Response(body, { status, headers: { "Content-Type": "text/plain; charset=utf-8", ...headers } });
}

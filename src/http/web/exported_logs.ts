import { Hono } from "hono";
import type { Deps } from "../../domain/deps.ts";
import { findExport } from "../../domain/logs/log_export.ts";

/** GET /exportedlogs/<file>: an export of the action log, for whoever was told its name. */
export function exportedLogRoutes(deps: Deps): Hono {
  const app = new Hono();
  app.get("/exportedlogs/:file", async (c) => {
    const found = deps.config.FEATURE_LOG_EXPORT ? await findExport(deps, c.req.param("file")) : undefined;
    if (found === undefined) return c.text("There is no such export, or it is no longer offered.\n", 404);
    const headers = {
      "Content-Type": "application/json",
      "Content-Length": `${found.sizeBytes}`,
      "Content-Disposition": 'attachment; filename="logs.json"',
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
    };
    // The body of a HEAD would be opened and never read.
    return new Response(c.req.method === "HEAD" ? null : await found.open(), { headers });
  });
  return app;
}

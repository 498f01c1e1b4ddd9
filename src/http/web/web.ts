import { Hono } from "hono";
import type { Deps } from "../../domain/deps.ts";
import { startSession } from "../../domain/accounts/sessions.ts";
import { readSession, writeSession } from "../api/client.ts";
import { appCapabilities } from "./app_capabilities.ts";
import { clientConfig } from "./client_config.ts";
import { exportedLogRoutes } from "./exported_logs.ts";
import { mailLinkRoutes } from "./mail_links.ts";

/** What browsers need besides the API and the pages: how the site is set up, and the CSRF token of their session. */
export function webRoutes(deps: Deps): Hono {
  const app = new Hono();
  const config = JSON.stringify(clientConfig(deps.config));
  app.get("/config", (c) => {
    c.header("Cache-Control", "no-store");
    return c.body(config, 200, { "Content-Type": "application/json" });
  });
  const capabilities = JSON.stringify(appCapabilities(deps.config));
  app.get("/.well-known/app-capabilities", (c) => {
    return c.body(capabilities, 200, { "Content-Type": "application/json" });
  });
  app.get("/csrf_token", (c) => {
    let session = readSession(deps, c);
    if (session === undefined) {
      session = startSession(deps.now());
      if (c.req.method === "GET") writeSession(deps, c, session);
    }
    c.header("Cache-Control", "no-store");
    return c.json({ csrf_token: session.csrfToken });
  });
  return app.route("/", mailLinkRoutes(deps)).route("/", exportedLogRoutes(deps));
}

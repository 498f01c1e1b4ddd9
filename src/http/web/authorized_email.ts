import { Hono } from "hono";
import { confirmAuthorization } from "../../domain/authorized_emails.ts";
import type { Deps } from "../../domain/deps.ts";
import { AppError } from "../../lib/errors.ts";

/** GET /authrepoemail?code=…: where the link leads that asks an address about a repository's notifications. */
export function authorizedEmailRoutes(deps: Deps): Hono {
  const app = new Hono();
  app.get("/authrepoemail", async (c) => {
    c.header("Cache-Control", "no-store");
    c.header("Referrer-Policy", "no-referrer");
    // Hono answers HEAD with this handler: looking at a link is no agreement.
    if (c.req.method === "HEAD") return c.text("");
    try {
      const { email, namespace, repository } = await confirmAuthorization(deps, c.req.query("code") ?? "");
      return c.text(
        `Notifications of the repository ${namespace}/${repository} may now be sent to ${email}.\n`,
      );
    } catch (error) {
      if (error instanceof AppError && error.code === "not_found") {
        return c.text(`${error.publicMessage}\n`, 404);
      }
      throw error;
    }
  });
  return app;
}

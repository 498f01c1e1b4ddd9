import assert from "node:assert/strict";
import { startAppliance } from "../appliance.ts";
import { Client } from "../faults/client.ts";
import { test } from "../skip.ts";
import { Chromium } from "./chromium.ts";

/** A port that is free now. */
function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.port;
}

test({
  name: "Chromium: sign in, consent, and the token on the registry's own page; an application elsewhere",
  needs: ["chromium"],
  async fn() {
    const host = `127.0.0.1:${freePort()}`;
    // The application that codes are sent to: another site to the browser.
    const visits: URL[] = [];
    const application = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      visits.push(new URL(request.url));
      return new Response("welcome back", { headers: { "Content-Type": "text/html" } });
    });
    try {
      await using appliance = await startAppliance({
        http: host,
        config: {
          SERVER_HOSTNAME: host,
          FEATURE_USER_INITIALIZE: true,
          FEATURE_MAILING: false,
          LOCAL_OAUTH_HANDLER: "/show-token",
        },
      });
      const owner = await Client.initialize(appliance);
      const post = async (path: string, body: unknown) => {
        const response = await fetch(`${appliance.httpUrl}/api/v1${path}`, {
          method: "POST",
          headers: { Authorization: `Bearer ${owner}`, "Content-Type": "application/json" },
          body: JSON.stringify(body),
        });
        return await response.json();
      };
      await post("/organization/", { name: "acme" });
      const redirect_uri = `http://127.0.0.1:${application.addr.port}/callback`;
      const { client_id } = await post("/organization/acme/applications", { name: "Console", redirect_uri });

      await using browser = await Chromium.start();
      const authorize = (parameters: Record<string, string>) =>
        browser.open(
          `${appliance.httpUrl}/oauth/authorize?${new URLSearchParams({ client_id, ...parameters })}`,
        );
      await authorize({
        redirect_uri: `http://${host}/show-token`,
        response_type: "token",
        scope: "repo:read user:admin",
      });
      await browser.until(`document.querySelector("input[name=password]")`);
      await browser.evaluate(`
        document.querySelector("input[name=username]").value = "faults";
        document.querySelector("input[name=password]").value = "a-long-faults-password";
        document.querySelector("button").click()`);
      await browser.until(`document.querySelector("form[action='/oauth/authorizeapp']")`);
      // Its style applies under its policy.
      assert.equal(
        await browser.evaluate(`getComputedStyle(document.querySelector("main")).borderTopStyle`),
        "solid",
      );
      await browser.evaluate(`document.querySelector("button").click()`);
      await browser.until(`document.getElementById("given")?.hidden === false`);
      const token = await browser.evaluate(`document.getElementById("token").textContent`);
      assert.match(String(token), /^[A-Z0-9]{40}$/);
      assert.equal(await browser.evaluate("location.href"), `http://${host}/show-token`);
      const user = await fetch(`${appliance.httpUrl}/api/v1/user/`, {
        headers: { Authorization: `Bearer ${token}` },
      });
      assert.equal((await user.json()).username, "faults");

      await authorize({ redirect_uri, response_type: "code", scope: "repo:write", state: "s" });
      await browser.until(`document.querySelector("form[action='/oauth/authorizeapp']")`);
      await browser.evaluate(`document.querySelector("button").click()`);
      await browser.until(`document.body.innerText === "welcome back"`);
      const arrived = visits.find(({ pathname }) => pathname === "/callback")!;
      assert.match(arrived.searchParams.get("code") ?? "", /^[A-Z0-9]{40}$/);
      assert.equal(arrived.searchParams.get("state"), "s");

      await authorize({ redirect_uri, response_type: "code", scope: "repo:admin" });
      await browser.until(`document.querySelector("button.plain")`);
      await browser.evaluate(`document.querySelector("button.plain").click()`);
      await browser.until(`document.body.innerText === "welcome back"`);
      assert.equal(
        visits.at(-1)?.searchParams.get("error") ?? visits.at(-2)?.searchParams.get("error"),
        "authorization_denied",
      );
      const refused = browser.complaints.filter((complaint) => /Content.Security|Refused/i.test(complaint));
      assert.deepEqual(refused, []);
    } finally {
      await application.shutdown();
    }
  },
});

import assert from "node:assert/strict";
import { digestOf } from "../../src/oci/digest.ts";
import { startAppliance } from "../appliance.ts";
import { Client } from "../faults/client.ts";
import { withIssuer } from "./issuer.ts";
import { Browser } from "./browser.ts";

const CALLBACK = "https://app.example/callback";

Deno.test("an application's way to a pushed image: consent in a browser, code, token, API, registry", async () => {
  await using appliance = await startAppliance();
  const owner = await Client.initialize(appliance);
  const api = async (token: string, method: string, path: string, body?: unknown) => {
    const response = await fetch(`${appliance.httpUrl}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json().catch(() => undefined) };
  };
  assert.equal(
    (await api(owner, "POST", "/organization/", { name: "acme", email: "acme@example.org" })).status,
    201,
  );
  const { body: application } = await api(owner, "POST", "/organization/acme/applications", {
    name: "Pipeline",
    redirect_uri: CALLBACK,
  });

  const authorize = (parameters: Record<string, string>) =>
    `/oauth/authorize?${new URLSearchParams({
      client_id: application.client_id,
      redirect_uri: CALLBACK,
      ...parameters,
    })}`;
  const browser = Browser.at(appliance.httpUrl);
  const signIn = await browser.open(authorize({ scope: "repo:create repo:write user:read", state: "42" }));
  assert.equal(signIn.status, 401);
  const signedIn = await browser.submit(signIn, { username: "faults", password: "a-long-faults-password" });
  assert.equal(signedIn.status, 303);
  const consent = await browser.open(signedIn.location!);
  assert.match(consent.html, /Pipeline asks to act for you/);
  const agreed = await browser.submit(consent);
  const code = new URL(agreed.location!).searchParams.get("code")!;
  assert.equal(new URL(agreed.location!).searchParams.get("state"), "42");
  const exchanged = await fetch(`${appliance.httpUrl}/oauth/access_token`, {
    method: "POST",
    headers: { Authorization: `Basic ${btoa(`${application.client_id}:${application.client_secret}`)}` },
    body: new URLSearchParams({ grant_type: "authorization_code", code, redirect_uri: CALLBACK }),
  });
  const { access_token: token } = await exchanged.json();
  assert.equal((await api(token, "GET", "/user/")).body.username, "faults");

  // Pushes as the person, with the token as the password.
  const bearer = async (password: string) => {
    const query = new URLSearchParams({ service: "localhost:8080", scope: "repository:acme/app:pull,push" });
    const response = await fetch(`${appliance.httpUrl}/v2/auth?${query}`, {
      headers: { Authorization: `Basic ${btoa(`$oauthtoken:${password}`)}` },
    });
    return (await response.json()).token as string;
  };
  const content = new TextEncoder().encode("a layer");
  const push = async (password: string) => {
    const response = await fetch(
      `${appliance.httpUrl}/v2/acme/app/blobs/uploads/?digest=${digestOf(content)}`,
      {
        method: "POST",
        headers: {
          Authorization: `Bearer ${await bearer(password)}`,
          "Content-Type": "application/octet-stream",
        },
        body: content,
      },
    );
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await push(token), 201);

  // A token with less pushes nothing, and is had without a question: it is part of what was agreed to.
  const less = await browser.open(authorize({ scope: "repo:read", response_type: "token" }));
  const reader = new URLSearchParams(new URL(less.location!).hash.slice(1)).get("access_token")!;
  assert.equal(await push(reader), 401);
  const pulled = await fetch(`${appliance.httpUrl}/v2/acme/app/blobs/${digestOf(content)}`, {
    headers: { Authorization: `Bearer ${await bearer(reader)}` },
  });
  assert.equal(await pulled.text(), "a layer");

  // Taken back in the account settings.
  const { body: { authorizations } } = await api(owner, "GET", "/user/authorizations");
  for (const { uuid, application } of authorizations) {
    if (application.name !== "Pipeline") continue;
    assert.equal((await api(owner, "DELETE", `/user/authorizations/${uuid}`)).status, 204);
  }
  assert.equal((await api(token, "GET", "/user/")).status, 401);
  assert.deepEqual(appliance.log.filter(({ level }) => level === "error"), []);
});

Deno.test("a pipeline's way to a pull: its platform's identity token, trusted through extra_ca_certs", async () => {
  await withIssuer(async (issuer) => {
    await using appliance = await startAppliance({
      config: {
        SERVER_HOSTNAME: "localhost:8080",
        FEATURE_USER_INITIALIZE: true,
        FEATURE_MAILING: false,
        SSRF_ALLOWED_HOSTS: ["localhost"],
      },
      configFiles: { "extra_ca_certs/platform.crt": issuer.authority },
    });
    const owner = await Client.initialize(appliance);
    const api = async (method: string, path: string, body?: unknown) => {
      const response = await fetch(`${appliance.httpUrl}/api/v1${path}`, {
        method,
        headers: { Authorization: `Bearer ${owner}`, "Content-Type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.text()}`);
    };
    await api("PUT", "/user/robots/ci");
    await api("POST", "/user/robots/ci/federation", [{ issuer: issuer.url, subject: "job" }]);
    const repository = { namespace: "faults", repository: "app", visibility: "private", description: "" };
    await api("POST", "/repository", repository);
    await api("PUT", "/repository/faults/app/permissions/user/faults+ci", { role: "read" });
    const nowS = Math.floor(Date.now() / 1000);
    const identity = await issuer.sign({ iss: issuer.url, sub: "job", iat: nowS, exp: nowS + 600 });
    const asRobot = (password: string) => ({ Authorization: `Basic ${btoa(`faults+ci:${password}`)}` });
    const exchanged = await fetch(`${appliance.httpUrl}/oauth2/federation/robot/token`, {
      headers: asRobot(identity),
    });
    const { token, message } = await exchanged.json();
    assert.equal(exchanged.status, 200, message);
    const query = new URLSearchParams({ service: "localhost:8080", scope: "repository:faults/app:pull" });
    const response = await fetch(`${appliance.httpUrl}/v2/auth?${query}`, { headers: asRobot(token) });
    const bearer = (await response.json()).token;
    const list = await fetch(`${appliance.httpUrl}/v2/faults/app/tags/list`, {
      headers: { Authorization: `Bearer ${bearer}` },
    });
    assert.deepEqual([list.status, (await list.json()).name], [200, "faults/app"]);
  });
});

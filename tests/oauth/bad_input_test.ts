import { expect } from "@std/testing";
import { Random } from "../faults/random.ts";
import { CALLBACK, HOST, withWorld } from "./world.ts";

/** What somebody may write anywhere. */
const TEXTS = [
  "",
  " ",
  "\0",
  "a\0b",
  "%",
  "%00",
  "%ff",
  "'\"<>&;--",
  "../../etc/passwd",
  "a".repeat(300),
  "x".repeat(9000),
  "\u{1F600}",
  "\ud800",
  "ünïcödé",
  "{}",
  "null",
  "-1",
  "1e999",
  "eyJhbGciOiJub25lIn0.e30.",
  "eyJhbGciOiJSUzI1NiIsImtpZCI6IlwwIn0.e30.AAAA",
  "a.b.c",
  "\r\nX-Injected: yes",
  "javascript:alert(1)",
  "//evil.example",
];
const SEED = 20261125;

Deno.test("/oauth, /oauth2, /keys: whatever is sent is answered with a status of its own, never 500", async () => {
  await withWorld({ DIRECT_OAUTH_CLIENTID_WHITELIST: ["trusted"] }, async (world) => {
    const alice = await world.browserOf("alice");
    const { client_id, client_secret } = await alice.expect(200, "POST", "/organization/acme/applications", {
      name: "app",
      redirect_uri: CALLBACK,
    });
    await alice.expect(201, "PUT", "/organization/acme/robots/ci");
    const good: Record<string, string> = {
      client_id,
      client_secret,
      redirect_uri: CALLBACK,
      scope: "repo:read",
      response_type: "token",
      state: "s",
      grant_type: "authorization_code",
      code: "A".repeat(40),
      username: "bob",
      password: "wrong-password",
      _csrf_token: alice.csrf!,
      return_to: "a=b",
      assignment_uuid: "u",
      error: "e",
      rotation: "1",
      expiration: "9999999999",
    };
    const random = new Random(SEED);
    const pick = <T>(values: readonly T[]): T => values[random.between(0, values.length - 1)]!;
    const paths = (): string =>
      pick([
        "/oauth/authorize",
        "/oauth/authorizeapp",
        "/oauth/denyapp",
        "/oauth/access_token",
        "/oauth/authorize/assignuser",
        "/oauth/signin",
        "/oauth/localapp",
        "/oauth2/federation/robot/token",
        `/keys/services/${segment()}/keys`,
        `/keys/services/${segment()}/keys/${segment()}`,
        `/oauth/${segment()}`,
      ]);
    const segment = () =>
      pick([encodeURIComponent(pick(TEXTS).toWellFormed()) || "x", "%ff", "%00", "builder"]);
    const seen = new Map<number, number>();
    for (let n = 0; n < 600; n++) {
      const method = pick(["GET", "POST", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"]);
      const fields = Object.entries(good).filter(() => random.next() < 0.95)
        .map(([name, value]) => [name, random.next() < 0.06 ? pick(TEXTS) : value] as [string, string]);
      const text = new URLSearchParams(fields).toString();
      const body = method === "GET" || method === "HEAD"
        ? null
        : pick([text, "{", "\xff\xfe", "a=%ff", `{"kty":"RSA"}`]);
      const headers = new Headers({ Accept: pick(["text/html", "*/*"]), "Content-Type": pick(TYPES) });
      if (random.next() < 0.7) headers.set("Cookie", `_csrf_token=${alice.cookie}`);
      const authorization = random.next() < 0.5 ? "" : pick([
        `Bearer ${"A".repeat(40)}`,
        "Bearer eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.e30.AAAA",
        "Basic !!!",
        `Basic ${btoa("acme+ci:a.b.c")}`,
        `Basic ${btoa("acme+ci:eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOjcsInN1YiI6W119.AA")}`,
        `Basic ${btoa("$app:x")}`,
      ]);
      if (authorization !== "") headers.set("Authorization", authorization);
      const path = `${paths()}?${random.next() < 0.5 ? text : "client_id=%ff&scope=%00"}`;
      const response = await world.fetch(new Request(`${HOST}${path}`, { method, headers, body }));
      const answer = await response.text();
      if (response.status >= 500) {
        throw new Error(
          `seed ${SEED}, request ${n}: ${method} ${path} ${authorization}: ${response.status} ${answer}`,
        );
      }
      expect(response.headers.get("X-Injected")).toBe(null);
      // Nobody is sent anywhere but to the application and to the page before the consent.
      const location = response.headers.get("Location");
      if (location !== null) {
        expect(location).toMatch(/^(?:https:\/\/app\.example\/callback|\/oauth\/authorize\?)/);
      }
      seen.set(response.status, (seen.get(response.status) ?? 0) + 1);
    }
    expect([...seen.keys()].sort()).toEqual(expect.arrayContaining([200, 302, 400, 401, 403, 404]));
  });
});

Deno.test("bearer tokens at /v2: key ids that no key can have", async () => {
  await withWorld({}, async (world) => {
    for (const kid of ["\0", "a\0b", "k".repeat(5000), 7, null, {}]) {
      const header = btoa(JSON.stringify({ alg: "RS256", kid })).replaceAll("=", "");
      const headers = { Authorization: `Bearer ${header}.e30.AAAA` };
      const response = await world.fetch(new Request(`${HOST}/v2/`, { headers }));
      await response.body?.cancel();
      expect([kid, response.status]).toEqual([kid, 401]);
    }
  });
});

const TYPES = ["application/x-www-form-urlencoded", "application/json", "text/plain", ""];

import { expect } from "@std/testing";
import { Buffer } from "node:buffer";
import { generateKeyPair, SignJWT } from "jose";
import type { Config } from "../../src/config/schema.ts";
import { forgetIssuers } from "../../src/domain/oauth/oidc_issuers.ts";
import { DISCOVERY, type Issuer, withIssuer } from "./issuer.ts";
import { HOST, ms, withWorld, type World } from "./world.ts";

const AT = "/organization/acme/robots/ci/federation";
const SUBJECT = "system:serviceaccount:ci:builder";

async function withFederation(
  test: (world: World, issuer: Issuer) => Promise<void>,
  config: Partial<Config> = {},
): Promise<void> {
  await withIssuer(async (issuer) => {
    const authorities = [issuer.authority];
    await withWorld({ SSRF_ALLOWED_HOSTS: ["localhost"], ...config }, async (world) => {
      const alice = await world.browserOf("alice");
      await alice.expect(201, "PUT", "/organization/acme/robots/ci");
      try {
        await test(world, issuer);
      } finally {
        await forgetIssuers(world.deps);
      }
    }, { authorities });
  });
}

async function trust(world: World, issuer: Issuer, subject = SUBJECT): Promise<void> {
  await (await world.browserOf("alice")).expect(200, "POST", AT, [{ issuer: issuer.url, subject }]);
}

/** Claims of a token that is good now. */
function claims(world: World, issuer: Issuer, change: Record<string, unknown> = {}) {
  const nowS = Math.floor(world.clock.nowMs / 1000);
  return { iss: issuer.url, sub: SUBJECT, iat: nowS, exp: nowS + 300, aud: "anybody", ...change };
}

async function exchange(
  world: World,
  password: string | undefined,
  username = "acme+ci",
): Promise<[number, Record<string, string>]> {
  const headers = { Authorization: `Basic ${btoa(`${username}:${password}`)}` };
  const response = await world.fetch(
    new Request(`${HOST}/oauth2/federation/robot/token`, password === undefined ? {} : { headers }),
  );
  return [response.status, await response.json()];
}

/** What `/v2/auth` grants the robot with that password: actions, or the status of the refusal. */
async function grantsOf(world: World, password: string, username = "acme+ci"): Promise<string | number> {
  const query = new URLSearchParams({ service: "registry.test", scope: "repository:acme/app:pull,push" });
  const response = await world.fetch(
    new Request(`${HOST}/v2/auth?${query}`, {
      headers: { Authorization: `Basic ${btoa(`${username}:${password}`)}` },
    }),
  );
  const { token } = await response.json();
  if (response.status !== 200) return response.status;
  return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).access[0].actions
    .join();
}

Deno.test("robots/{r}/federation: set, read, replaced, removed; and what an entry cannot be", async () => {
  await withWorld({}, async (world) => {
    const alice = await world.browserOf("alice");
    await alice.expect(201, "PUT", "/organization/acme/robots/ci");
    await alice.expect(201, "PUT", "/user/robots/mine");
    for (const at of [AT, "/user/robots/mine/federation"]) {
      expect(await alice.expect(200, "GET", at)).toEqual([]);
      const two = [
        { issuer: "https://issuer.example", subject: "a" },
        { issuer: "https://issuer.example", subject: "b" },
      ];
      expect(await alice.expect(200, "POST", at, two)).toEqual(two);
      expect(await alice.expect(200, "GET", at)).toEqual(two);
      const one = [{ issuer: "http://issuer.example", subject: "c" }];
      expect(await alice.expect(200, "POST", at, one)).toEqual(one);
      for (
        const body of [
          undefined,
          {},
          [{}],
          [null],
          [{ issuer: "https://x.example" }],
          [{ issuer: "https://x.example", subject: "" }],
          [{ issuer: "", subject: "s" }],
          [{ issuer: "x.example", subject: "s" }],
          [{ issuer: "ftp://x.example", subject: "s" }],
          [{ issuer: "https://", subject: "s" }],
          [{ issuer: "https://x.example", subject: "s" }, { issuer: "https://x.example", subject: "s" }],
          [{ issuer: `https://x.example/${"y".repeat(3000)}`, subject: "s" }],
          Array.from({ length: 101 }, (_, n) => ({ issuer: "https://x.example", subject: `${n}` })),
        ]
      ) await alice.expect(400, "POST", at, body);
      expect(await alice.expect(200, "GET", at)).toEqual(one);
      await alice.expect(204, "DELETE", at);
      expect(await alice.expect(200, "GET", at)).toEqual([]);
      await alice.expect(204, "DELETE", at);
    }
    await alice.expect(400, "GET", "/organization/acme/robots/missing/federation");
    await (await world.browserOf("bob")).expect(403, "GET", AT);
    const created = await world.logged("create_robot_federation");
    expect(created[1]).toEqual({
      namespace: "acme",
      performer: "alice",
      metadata: { config: [{ issuer: "http://issuer.example", subject: "c" }], robot: "ci" },
    });
    expect((await world.logged("delete_robot_federation"))[0]).toEqual({
      namespace: "acme",
      performer: "alice",
      metadata: { robot: "ci" },
    });
  });
});

Deno.test("GET /oauth2/federation/robot/token: an identity token becomes the robot's password for an hour", async () => {
  await withFederation(async (world, issuer) => {
    await trust(world, issuer);
    const alice = await world.browserOf("alice");
    const repository = { namespace: "acme", repository: "app", visibility: "private", description: "" };
    await alice.expect(201, "POST", "/repository", repository);
    await alice.expect(200, "PUT", "/repository/acme/app/permissions/user/acme+ci", { role: "write" });
    const identity = await issuer.sign(claims(world, issuer));
    const [status, { token = "" }] = await exchange(world, identity);
    expect(status).toBe(200);
    expect(await grantsOf(world, token)).toBe("pull,push");
    // It is that robot's alone, and neither the identity token nor a bearer token is a password.
    await alice.expect(201, "PUT", "/organization/acme/robots/other");
    expect(await grantsOf(world, token, "acme+other")).toBe(401);
    expect(await grantsOf(world, identity)).toBe(401);
    const asBearer = await world.fetch(
      new Request(`${HOST}/v2/acme/app/tags/list`, { headers: { Authorization: `Bearer ${token}` } }),
    );
    expect(asBearer.status).toBe(401);
    await asBearer.body?.cancel();
    // The keys are asked for once.
    expect((await exchange(world, identity))[0]).toBe(200);
    expect(issuer.asked).toEqual([DISCOVERY, "/keys"]);
    expect((await world.logged("federated_robot_token_exchange"))[0]).toEqual({
      namespace: "acme",
      performer: "acme+ci",
      metadata: { subject: SUBJECT, issuer: issuer.url, robot: "acme+ci" },
    });
    world.clock.nowMs += ms("1h") - 1000;
    expect(await grantsOf(world, token)).toBe("pull,push");
    world.clock.nowMs += 1000;
    expect(await grantsOf(world, token)).toBe(401);
  });
});

Deno.test("GET /oauth2/federation/robot/token: another key of the issuer; what ends what was exchanged", async () => {
  await withFederation(async (world, issuer) => {
    await trust(world, issuer);
    const alice = await world.browserOf("alice");
    const next = async () =>
      (await exchange(world, await issuer.sign(claims(world, issuer))))[1].token ?? "none";
    expect(await grantsOf(world, await next())).toBe("");
    await issuer.rotate();
    // Not asked again at once, whatever key ids somebody makes up.
    expect(await next()).toBe("none");
    world.clock.nowMs += ms("31s");
    const token = await next();
    expect(await grantsOf(world, token)).toBe("");
    await alice.expect(200, "POST", AT, [{ issuer: issuer.url, subject: "somebody else" }]);
    expect(await grantsOf(world, token)).toBe(401);
    await trust(world, issuer);
    expect(await grantsOf(world, token)).toBe("");
    await world.deps.sql`update "user" set enabled = false where username = 'acme'`;
    expect(await grantsOf(world, token)).toBe(401);
    expect(await next()).toBe("none");
    await world.deps.sql`update "user" set enabled = true where username = 'acme'`;
    await alice.expect(204, "DELETE", "/organization/acme/robots/ci");
    await alice.expect(201, "PUT", "/organization/acme/robots/ci");
    await trust(world, issuer);
    expect(await grantsOf(world, token)).toBe(401);
  });
});

Deno.test("GET /oauth2/federation/robot/token: tokens that are no good, and no token", async () => {
  await withFederation(async (world, issuer) => {
    await trust(world, issuer);
    const nowS = Math.floor(world.clock.nowMs / 1000);
    const sign = (change: Record<string, unknown>) => issuer.sign(claims(world, issuer, change));
    const stranger = await generateKeyPair("RS256");
    const forged = (alg: string, key: Parameters<SignJWT["sign"]>[0]) =>
      new SignJWT(claims(world, issuer)).setProtectedHeader({ alg, kid: "key-1" }).sign(key);
    const good = await sign({});
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    // The public key as the secret of a symmetric signature: the classic.
    const [published] = (await (await fetchKeys(issuer)).json()).keys;
    const bad: Record<string, string> = {
      "not a token": "robot-password",
      "three parts of nothing": "a.b.c",
      "of another issuer": await sign({ iss: "https://issuer.example" }),
      "about another subject": await sign({ sub: "somebody else" }),
      "without subject": await sign({ sub: undefined }),
      "expired": await sign({ exp: nowS - 31 }),
      "without end": await sign({ exp: undefined }),
      "without time of issue": await sign({ iat: undefined }),
      "of the future": await sign({ iat: nowS + 60 }),
      "of another key": await forged("RS256", stranger.privateKey),
      "of a symmetric key": await forged("HS256", new TextEncoder().encode(JSON.stringify(published))),
      "unsigned": `${encode({ alg: "none" })}.${encode(claims(world, issuer))}.`,
      "altered": `${good.split(".")[0]}.${encode(claims(world, issuer, { exp: nowS + 9999 }))}.${
        good.split(".")[2]
      }`,
      "of an unknown key id": await issuer.sign(claims(world, issuer), { kid: "made-up" }),
    };
    for (const [what, token] of Object.entries(bad)) {
      const [status, body] = await exchange(world, token);
      expect([what, status, Object.keys(body)]).toEqual([what, 400, ["message"]]);
    }
    expect(await exchange(world, good, "acme+missing")).toEqual(await exchange(world, good, "bob+missing"));
    expect((await exchange(world, good))[0]).toBe(200);
    // Missing or of another kind.
    const ask = async (authorization?: string) => {
      const headers = authorization === undefined ? {} : { Authorization: authorization };
      const response = await world.fetch(new Request(`${HOST}/oauth2/federation/robot/token`, { headers }));
      return [response.status, Object.keys(await response.json())];
    };
    for (const header of [undefined, `Bearer ${good}`, "Basic !!!", `Basic ${btoa(`alice:${good}`)}`]) {
      expect([header, await ask(header)]).toEqual([header, [401, ["error"]]]);
    }
  });
});

function fetchKeys(issuer: Issuer): Promise<Response> {
  const client = Deno.createHttpClient({ caCerts: [issuer.authority] });
  return fetch(`${issuer.url}/keys`, { client }).finally(() => client.close());
}

Deno.test("GET /oauth2/federation/robot/token: issuers that misbehave are named and believed nothing", async () => {
  await withFederation(async (world, issuer) => {
    await trust(world, issuer);
    const token = await issuer.sign(claims(world, issuer));
    const answers: [what: string, path: string, answer: () => Response, message: RegExp][] = [
      ["gone", DISCOVERY, () => new Response(null, { status: 503 }), /answered with status 503/],
      ["elsewhere", DISCOVERY, () => Response.redirect("https://169.254.169.254/", 302), /status 302/],
      ["no JSON", DISCOVERY, () => new Response("<html>secret</html>"), /did not answer with JSON/],
      ["null", DISCOVERY, () => Response.json(null), /does not describe itself/],
      [
        "somebody else",
        DISCOVERY,
        () => Response.json({ issuer: "https://x.example", jwks_uri: "" }),
        /does not/,
      ],
      [
        "keys inside",
        DISCOVERY,
        () => Response.json({ issuer: issuer.url, jwks_uri: "https://169.254.169.254/keys" }),
        /no address on the public Internet/,
      ],
      [
        "keys in the clear",
        DISCOVERY,
        () => Response.json({ issuer: issuer.url, jwks_uri: issuer.url.replace("https", "http") }),
        /no https address/,
      ],
      [
        "endless",
        "/keys",
        () => new Response(new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(65536)) })),
        /more than 262144 bytes/,
      ],
      ["no keys", "/keys", () => Response.json({}), /no usable keys/],
      ["keys that are none", "/keys", () => Response.json({ keys: [7, null, {}] }), /./],
    ];
    for (const [what, path, answer, message] of answers) {
      issuer.answers.clear();
      issuer.answers.set(path, answer);
      world.clock.nowMs += ms("31s");
      const [status, body] = await exchange(world, token);
      expect([what, status, body.message]).toEqual([what, 400, expect.stringMatching(message)]);
      expect(JSON.stringify(body)).not.toContain("secret");
    }
    // It is not asked again for every request while it fails.
    const before = issuer.asked.length;
    await exchange(world, token);
    expect(issuer.asked.length).toBe(before);
    issuer.answers.clear();
    world.clock.nowMs += ms("1h");
    expect((await exchange(world, await issuer.sign(claims(world, issuer))))[0]).toBe(200);
  });
});

Deno.test("GET /oauth2/federation/robot/token: no issuer inside our network, in the clear, or of an unknown authority", async () => {
  await withFederation(async (world, issuer) => {
    await trust(world, issuer);
    const [status, { message }] = await exchange(world, await issuer.sign(claims(world, issuer)));
    expect([status, message]).toEqual([400, expect.stringContaining("SSRF_ALLOWED_HOSTS")]);
    expect(issuer.asked).toEqual([]);
    const inTheClear = issuer.url.replace("https", "http");
    await (await world.browserOf("alice")).expect(200, "POST", AT, [{
      issuer: inTheClear,
      subject: SUBJECT,
    }]);
    const clear = await exchange(world, await issuer.sign(claims(world, issuer, { iss: inTheClear })));
    expect(clear).toEqual([400, { message: expect.stringContaining("no https address") }]);
  }, { SSRF_ALLOWED_HOSTS: [] });
  await withIssuer(async (issuer) => {
    await withWorld({ SSRF_ALLOWED_HOSTS: ["127.0.0.0/8", "::1"] }, async (world) => {
      await (await world.browserOf("alice")).expect(201, "PUT", "/organization/acme/robots/ci");
      await trust(world, issuer);
      const [status, { message }] = await exchange(world, await issuer.sign(claims(world, issuer)));
      expect([status, message]).toEqual([400, expect.stringContaining("could not be reached")]);
      expect(issuer.asked).toEqual([]);
      await forgetIssuers(world.deps);
    });
  });
});

Deno.test("a federated robot under ROBOTS_DISALLOW", async () => {
  await withFederation(async (world, issuer) => {
    await trust(world, issuer);
    const [, { token = "" }] = await exchange(world, await issuer.sign(claims(world, issuer)));
    expect(await grantsOf(world, token)).toBe("");
    Object.assign(world.deps.config, { ROBOTS_DISALLOW: true });
    expect(await grantsOf(world, token)).toBe(401);
    expect((await exchange(world, await issuer.sign(claims(world, issuer))))[0]).toBe(400);
  });
});

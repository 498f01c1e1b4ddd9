import assert from "node:assert/strict";
import { connectUpstream } from "../../src/drivers/upstream/client.ts";
import { type Upstream, UpstreamError, type UpstreamOptions } from "../../src/drivers/upstream/driver.ts";
import { forEachLimited } from "../../src/lib/for_each_limited.ts";
import type { UpstreamSite } from "../../src/drivers/upstream/transport.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { startAppliance } from "../appliance.ts";
import { test } from "../skip.ts";
import { freePort, withParent } from "./parents.ts";
import { withEdge } from "./edge.ts";
import { startFakeRegistry, withFake } from "./fake_registry.ts";
import { startFaultyProxy } from "./faulty_proxy.ts";
import { Pusher, randomBytes } from "./images.ts";

const NO_PROXY = { httpProxy: null, httpsProxy: null, noProxy: null };
const forever = new AbortController().signal;

function connect(
  registry: string,
  options: { site?: Partial<UpstreamSite>; proxy?: Partial<UpstreamOptions["proxy"]>; password?: string } =
    {},
): Promise<Upstream> {
  return connectUpstream({
    registry,
    repository: "app",
    ...(options.password && { credentials: { username: "bob", password: options.password } }),
    verifyTls: false,
    proxy: { ...NO_PROXY, ...options.proxy },
    timeoutMs: 5000,
  }, {
    extraCas: [],
    isReachable: () => true,
    proxy: NO_PROXY,
    firstPauseMs: 1,
    silenceMs: 2000,
    now: Date.now,
    ...options.site,
  });
}

Deno.test("token authentication: asked for once, renewed when it is refused in the middle of a blob", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const digest = fake.image("v1", [randomBytes(3_000_000, 1)]);
      let valid = 1;
      let asked = 0;
      const resumed = new Set<string>();
      fake.instead = (request, path) => {
        if (path === "/token") {
          asked++;
          const url = new URL(request.url);
          assert.equal(url.searchParams.get("scope"), "repository:app:pull");
          assert.equal(url.searchParams.get("service"), "here");
          assert.equal(request.headers.get("authorization"), `Basic ${btoa("bob:secret")}`);
          return Response.json({ token: `token-${valid}`, expires_in: 300 });
        }
        const range = request.headers.get("range");
        if (range !== null && !resumed.has(range)) {
          resumed.add(range);
          valid++; // each continuation of the blob finds that its token has run out
        }
        if (request.headers.get("authorization") === `Bearer token-${valid}`) return undefined;
        const challenge =
          `Bearer realm="http://${fake.host}/token",service="here",scope="repository:other:pull"`;
        return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
      };
      const port = Number(fake.host.split(":")[1]);
      const link = startFaultyProxy({ hostname: "127.0.0.1", port }, {
        cutAfter: () => 1_000_000,
        cuts: 2,
      });
      try {
        const mirror = await edge.mirror({
          reference: `${link.host}/app`,
          username: "bob",
          password: "secret",
        });
        const outcome = await edge.run(mirror);
        assert.equal(outcome.kind, "success", JSON.stringify(outcome));
        await edge.readWhole(mirror, digest);
        assert.ok(asked >= 3 && asked <= 12, `${asked} tokens`);
      } finally {
        await link.stop();
      }
    })
  ));

Deno.test("a token is used until it runs out; many requests at once ask for one", () =>
  withFake(async (fake) => {
    fake.image("v1", []);
    let nowMs = 0;
    let asked = 0;
    fake.instead = (request, path) => {
      if (path === "/token") return Response.json({ access_token: `t${++asked}` });
      if (request.headers.has("authorization")) return undefined;
      const challenge = `Bearer realm="http://${fake.host}/token"`;
      return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
    };
    const upstream = await connect(fake.host, { site: { now: () => nowMs } });
    await Promise.all(Array.from({ length: 8 }, () => upstream.headManifest("v1", forever)));
    assert.equal(asked, 1);
    nowMs = 30_000;
    await upstream.headManifest("v1", forever);
    assert.equal(asked, 1);
    nowMs = 61_000; // without expires_in, a minute
    await upstream.headManifest("v1", forever);
    assert.equal(asked, 2);
    await upstream.close();
  }));

Deno.test("a tag is asked about with the digest that is known, and 304 means that one", () =>
  withFake(async (fake) => {
    const digest = fake.image("v1", []);
    const upstream = await connect(fake.host);
    assert.equal(await upstream.headManifest("v1", forever, digest), digest);
    assert.equal(fake.headers.at(-1)?.get("if-none-match"), `"${digest}"`);
    const moved = fake.image("v1", [new Uint8Array(10)]);
    assert.equal(await upstream.headManifest("v1", forever, digest), moved);
    fake.instead = () => new Response(null, { status: 304 });
    await assert.rejects(upstream.headManifest("v1", forever), UpstreamError);
    await upstream.close();
  }));

test({
  name: "hundreds of questions about tags go over a few connections",
  needs: ["docker-registry"],
  fn: () =>
    withParent({}, async (parent) => {
      await new Pusher(parent.url, "app").image([], { reference: "v1" });
      const link = startFaultyProxy({ hostname: "127.0.0.1", port: Number(parent.host.split(":")[1]) });
      try {
        const upstream = await connect(link.host);
        await forEachLimited(Array.from({ length: 300 }), 8, async () => {
          assert.ok(await upstream.headManifest("v1", forever));
        });
        // Asked about what is known, docker-registry says that it has not changed, or what it is by now.
        const digest = await upstream.headManifest("v1", forever);
        assert.equal(await upstream.headManifest("v1", forever, digest), digest);
        assert.equal(await upstream.headManifest("v1", forever, digestOf(new Uint8Array(1))), digest);
        await upstream.close();
        assert.ok(link.connections <= 20, `${link.connections} connections`);
      } finally {
        await link.stop();
      }
    }),
});

Deno.test("listTags() follows Link through all pages, on the same host only", () =>
  withFake(async (fake) => {
    fake.instead = (request, path) => {
      if (!path.endsWith("/tags/list")) return undefined;
      const last = new URL(request.url).searchParams.get("last");
      if (last === null) {
        const link = '</v2/app/tags/list?n=1000&last=a>; rel="next"';
        return Response.json({ tags: ["a"] }, { headers: { link } });
      }
      if (last === "a") {
        const link = `<https://elsewhere.invalid/v2/app/tags/list?last=b>; rel="next"`;
        return Response.json({ tags: ["b", "a"] }, { headers: { link } });
      }
      return Response.json({ tags: null });
    };
    const upstream = await connect(fake.host);
    assert.deepEqual(await upstream.listTags(forever), ["a", "b"]);
    await upstream.close();
  }));

Deno.test("listTags() of pages without end gives up", () =>
  withFake(async (fake) => {
    fake.instead = (_, path) =>
      path.endsWith("/tags/list")
        ? Response.json({ tags: [] }, { headers: { link: '</v2/app/tags/list>; rel="next"' } })
        : undefined;
    const upstream = await connect(fake.host);
    await assert.rejects(upstream.listTags(forever), (error) =>
      error instanceof UpstreamError && error.failure === "lied");
    await upstream.close();
  }));

Deno.test("redirects in a circle end", () =>
  withFake(async (fake) => {
    fake.instead = (_, path) =>
      path.includes("/manifests/")
        ? new Response(null, { status: 302, headers: { location: path } })
        : undefined;
    const upstream = await connect(fake.host);
    await assert.rejects(upstream.getManifest("v1", forever), /redirects more than/);
    await upstream.close();
  }));

Deno.test("a redirect into this network is refused at the dial", () =>
  withFake((fake) =>
    withEdge({ config: { SSRF_ALLOWED_HOSTS: ["127.0.0.1"] } }, async (edge) => {
      fake.instead = (_, path) =>
        path.includes("/manifests/")
          ? new Response(null, { status: 307, headers: { location: "http://[::1]:9/metadata" } })
          : undefined;
      fake.tags.push("v1");
      const outcome = await edge.run(await edge.mirror({ reference: `${fake.host}/app` }));
      assert.match(outcome.kind === "failed" ? outcome.message : "", /SSRF_ALLOWED_HOSTS/);
    })
  ));

test({
  name: "an IPv6 literal",
  needs: ["ipv6"],
  fn: () =>
    withEdge({}, async (edge) => {
      const fake = startFakeRegistry({ hostname: "::1" });
      try {
        const digest = fake.image("v1", [randomBytes(100_000, 1)]);
        const mirror = await edge.mirror({ reference: `${fake.host}/app` });
        const outcome = await edge.run(mirror);
        assert.equal(outcome.kind, "success", JSON.stringify(outcome));
        await edge.readWhole(mirror, digest);
      } finally {
        await fake.stop();
      }
    }),
});

Deno.test("a proxy of the mirror's own: HTTP goes through it, what no_proxy names does not", () =>
  withFake(async (fake) => {
    fake.image("v1", []);
    const through: string[] = [];
    const proxy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
      through.push(request.url);
      const answer = await fetch(`http://${fake.host}${new URL(request.url).pathname}`, {
        method: request.method,
      });
      return new Response(answer.body, { status: answer.status, headers: answer.headers });
    });
    try {
      const httpProxy = `http://127.0.0.1:${proxy.addr.port}`;
      const upstream = await connect(fake.host, { proxy: { httpProxy } });
      assert.deepEqual(await upstream.listTags(forever), ["v1"]);
      await upstream.close();
      assert.ok(through.length > 0);
      through.length = 0;
      const direct = await connect(fake.host, { proxy: { httpProxy, noProxy: "example.org, 127.0.0.1" } });
      assert.deepEqual(await direct.listTags(forever), ["v1"]);
      await direct.close();
      assert.deepEqual(through, []);
    } finally {
      await proxy.shutdown();
    }
  }));

Deno.test("a second Quaylet as parent: tokens, its pagination, its referrers API", async () => {
  const host = `127.0.0.1:${freePort()}`;
  await using parent = await startAppliance({
    http: host,
    config: { SERVER_HOSTNAME: host, PREFERRED_URL_SCHEME: "http", FEATURE_USER_INITIALIZE: true },
  });
  const made = await fetch(`${parent.httpUrl}/api/v1/user/initialize`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      username: "bob",
      password: "correct-horse",
      email: "b@example.org",
      access_token: true,
    }),
  });
  assert.ok(made.ok, await made.text());
  const asked = await fetch(
    `${parent.httpUrl}/v2/auth?service=${host}&scope=repository:bob/app:pull,push`,
    { headers: { authorization: `Basic ${btoa("bob:correct-horse")}` } },
  );
  const { token } = await asked.json();
  const push = new Pusher(parent.httpUrl, "bob/app", `Bearer ${token}`);
  const image = await push.image([randomBytes(200_000, 1)], { reference: "v1" });
  const more = { subject: image, artifactType: "application/x-sbom" };
  const referrer = await push.image([randomBytes(300, 2)], { more });
  await withEdge({}, async (edge) => {
    const mirror = await edge.mirror({
      reference: `${parent.httpUrl.slice("http://".length)}/bob/app`,
      username: "bob",
      password: "correct-horse",
    });
    const outcome = await edge.run(mirror);
    assert.equal(outcome.kind, "success", JSON.stringify(outcome));
    assert.deepEqual(await edge.tags(mirror), { v1: image.digest });
    await edge.readWhole(mirror, image.digest);
    await edge.readWhole(mirror, referrer.digest);
  });
});

import { expect } from "@std/testing";
import { Buffer } from "node:buffer";
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { cleanServiceKeys } from "../../src/domain/site/managed_service_keys.ts";
import { instanceKey } from "../../src/domain/site/service_keys.ts";
import { HOST, ms, withWorld, type World } from "./world.ts";

/** A service that has made itself a key. */
interface Holder {
  readonly kid: string;
  readonly jwk: JWK;
  /** A token by which it speaks. */
  speak(world: World, change?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
}

async function newHolder(kid: string, alg = "RS256"): Promise<Holder> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return {
    kid,
    jwk: await exportJWK(publicKey),
    speak: (world, change = {}, header = {}) => {
      const nowS = Math.floor(world.clock.nowMs / 1000);
      const claims = { iss: "builder", aud: HOST, iat: nowS, exp: nowS + 60, ...change };
      return new SignJWT(claims).setProtectedHeader({ alg, kid, ...header }).sign(privateKey);
    },
  };
}

interface Call {
  token?: string;
  body?: unknown;
  query?: string;
  service?: string;
}

async function call(
  world: World,
  method: string,
  kid: string,
  { token, body, query = "", service = "builder" }: Call,
) {
  const headers = new Headers({ "User-Agent": "builder/1.0" });
  if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
  const init = { method, headers, body: body === undefined ? null : JSON.stringify(body) };
  const response = await world.fetch(
    new Request(`${HOST}/keys/services/${service}/keys/${kid}${query}`, init),
  );
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
}

async function put(world: World, holder: Holder, call_: Call = {}): Promise<number> {
  const token = call_.token ?? await holder.speak(world);
  return (await call(world, "PUT", holder.kid, { body: holder.jwk, ...call_, token })).status;
}

async function approve(world: World, kid: string): Promise<void> {
  await (await world.browserOf("root")).expect(201, "POST", `/superuser/approvedkeys/${kid}`, { notes: "" });
}

const waiting = (world: World) =>
  world.deps.sql`
    select u.username, n.lookup_path as path from notification n join "user" u on u.id = n.target_id
      join notificationkind k on k.id = n.kind_id where k.name = 'service_key_submitted'`;

Deno.test("PUT, DELETE /keys/services/{service}/keys/{kid}: submitted, approved, replaced, withdrawn", async () => {
  await withWorld({}, async (world) => {
    for (const alg of ["RS256", "ES256", "ES384"]) {
      const [first, second] = [await newHolder(`first-${alg}`, alg), await newHolder(`second-${alg}`, alg)];
      const endS = Math.floor(world.clock.nowMs / 1000) + 3600;
      const query = `?rotation=600&expiration=${endS}.5`;
      expect(await put(world, first, { query })).toBe(202);
      // The service asks again after it was started again.
      expect(await put(world, first, { query })).toBe(202);
      expect((await call(world, "GET", first.kid, {})).status).toBe(409);
      expect([...await waiting(world)]).toEqual([
        { username: "root", path: `/service_key_approval/${first.kid}` },
      ]);
      await approve(world, first.kid);
      expect(await waiting(world)).toHaveLength(0);
      expect(await put(world, first)).toBe(200);
      expect(await call(world, "GET", first.kid, {})).toEqual({ status: 200, body: first.jwk });
      // The new one takes the place of the one that signs for it.
      expect(await put(world, second, { token: await first.speak(world) })).toBe(200);
      expect((await call(world, "GET", first.kid, {})).status).toBe(404);
      expect((await call(world, "GET", second.kid, {})).status).toBe(200);
      const [row] = await world.deps.sql`
        select k.rotation_duration as rotation, k.metadata, a.approval_type as approval
        from servicekey k join servicekeyapproval a on a.id = k.approval_id where kid = ${second.kid}`;
      expect([row?.rotation, row?.approval, JSON.parse(row?.metadata).created_by])
        .toEqual([600, "Key Rotation", "Key Rotation"]);
      expect((await call(world, "DELETE", second.kid, { token: await second.speak(world) })).status).toBe(
        204,
      );
      expect((await call(world, "GET", second.kid, {})).status).toBe(404);
      const at = { service: "builder", user_agent: "builder/1.0", ip: "192.0.2.7" };
      const expiration_date = new Date(endS * 1000 + 500).toISOString();
      expect((await world.logged("service_key_create")).at(-1)?.metadata)
        .toEqual({ ...at, kid: first.kid, name: "", preshared: false, expiration_date });
      expect((await world.logged("service_key_rotate")).at(-1)?.metadata)
        .toEqual({ ...at, kid: second.kid, signer_kid: first.kid, name: "", expiration_date: null });
      expect((await world.logged("service_key_delete")).at(-1)?.metadata)
        .toEqual({ ...at, kid: second.kid, signer_kid: second.kid, name: "" });
      expect((await world.logged("service_key_delete")).at(-1)?.performer).toBe(null);
    }
  });
});

Deno.test("PUT /keys/services/{service}/keys/{kid}: who may not, and what is no key", async () => {
  await withWorld({}, async (world) => {
    const [one, other, approved] = await Promise.all(
      ["one", "other", "approved"].map((kid) => newHolder(kid)),
    );
    expect(await put(world, approved!)).toBe(202);
    await approve(world, approved!.kid);
    const nowS = Math.floor(world.clock.nowMs / 1000);
    const mine = one!.speak;
    const keep = async (change: Record<string, unknown>) => await mine(world, change);
    const [head = "", , tail = ""] = (await mine(world)).split(".");
    const altered = Buffer.from(JSON.stringify({ iss: "builder", aud: HOST, exp: nowS + 999 })).toString(
      "base64url",
    );
    const stranger = await newHolder("stranger");
    const table: [what: string, call: Call, status: number][] = [
      ["no token", { token: "" }, 400],
      ["no JWT", { token: "abc" }, 400],
      ["of another key", { token: await other!.speak(world, {}, { kid: "one" }) }, 400],
      ["altered", { token: `${head}.${altered}.${tail}` }, 400],
      ["unsigned", { token: `${Buffer.from(`{"alg":"none"}`).toString("base64url")}.${altered}.` }, 400],
      ["for another registry", { token: await keep({ aud: "http://other.test" }) }, 400],
      ["of another service", { token: await keep({ iss: "other" }) }, 400],
      ["expired", { token: await keep({ exp: nowS - 60 }) }, 400],
      ["without end", { token: await keep({ exp: undefined }) }, 400],
      ["signed by a stranger", { token: await stranger.speak(world) }, 403],
      ["signed by a key of another service", {
        token: await approved!.speak(world, { iss: "x" }),
        service: "x",
      }, 403],
      ["no body", { body: undefined }, 400],
      ["no object", { body: 7 }, 400],
      ["no type", { body: { ...one!.jwk, kty: undefined } }, 400],
      ["symmetric", { body: { kty: "oct", k: "c2VjcmV0" } }, 400],
      ["RSA without modulus", { body: { kty: "RSA", e: "AQAB" } }, 400],
      ["RSA with nonsense", { body: { kty: "RSA", e: "AQAB", n: "A" } }, 400],
      ["EC with nonsense", { body: { kty: "EC", crv: "P-256", x: "AA", y: "AA" } }, 400],
      ["EC of another curve", { body: { kty: "EC", crv: "secp256k1", x: "AA", y: "AA" } }, 400],
      ["expiration that is none", { query: "?expiration=soon" }, 400],
      ["expiration in the past", { query: `?expiration=${nowS - 1}` }, 400],
      ["expiration beyond all time", { query: "?expiration=999999999999999" }, 400],
      ["rotation that is none", { query: "?rotation=-1" }, 400],
      ["rotation too long", { query: "?rotation=99999999999" }, 400],
      ["large", { body: { ...one!.jwk, x: "y".repeat(2_000_000) } }, 413],
      ["the instance's service", { service: "quay" }, 400],
    ];
    for (const [what, change, status] of table) {
      const body = "body" in change ? change.body : one!.jwk;
      const token = change.token ?? await mine(world);
      const answer = await call(world, "PUT", "one", { ...change, body, ...(token === "" ? {} : { token }) });
      expect([what, answer.status]).toEqual([what, status]);
    }
    expect(await world.deps.sql`select kid from servicekey where kid = 'one'`).toHaveLength(0);
    // An id that is taken stays whose it is.
    const thief = await newHolder(approved!.kid);
    expect(await put(world, thief)).toBe(409);
    expect(await put(world, one!, { token: await approved!.speak(world), body: one!.jwk })).toBe(200);
    const { kid } = instanceKey(world.deps);
    const forger = await newHolder(kid);
    expect((await call(world, "PUT", kid, { body: forger.jwk, token: await forger.speak(world) })).status)
      .toBe(409);
    // The private half, sent by mistake, is not kept.
    const { privateKey } = await generateKeyPair("RS256", { extractable: true });
    const whole = await exportJWK(privateKey);
    const nowToken = await new SignJWT({ iss: "builder", aud: HOST, exp: nowS + 60 })
      .setProtectedHeader({ alg: "RS256", kid: "whole" }).sign(privateKey);
    expect((await call(world, "PUT", "whole", { body: whole, token: nowToken })).status).toBe(202);
    const [kept] = await world.deps.sql`select jwk from servicekey where kid = 'whole'`;
    expect(Object.keys(JSON.parse(kept?.jwk)).sort()).toEqual(["e", "kty", "n"]);
  });
});

Deno.test("DELETE /keys/services/{service}/keys/{kid}: by itself or an approved one of the service, and no other", async () => {
  await withWorld({}, async (world) => {
    const [first, second, approved] = await Promise.all(["a", "b", "c"].map((kid) => newHolder(kid)));
    for (const holder of [first!, second!, approved!]) expect(await put(world, holder)).toBe(202);
    await approve(world, approved!.kid);
    const remove = async (kid: string, token?: string, service = "builder") =>
      (await call(world, "DELETE", kid, { service, ...(token === undefined ? {} : { token }) })).status;
    expect(await remove("a")).toBe(400);
    expect(await remove("a", "nonsense")).toBe(400);
    expect(await remove("a", await first!.speak(world, {}, { kid: undefined }))).toBe(400);
    expect(await remove("a", await second!.speak(world))).toBe(403);
    expect(await remove("a", await second!.speak(world, {}, { kid: "a" }))).toBe(400);
    expect(await remove("a", await (await newHolder("x")).speak(world))).toBe(403);
    expect(await remove("missing", await approved!.speak(world))).toBe(404);
    expect(await remove(instanceKey(world.deps).kid, await approved!.speak(world))).toBe(404);
    expect(await remove("a", await first!.speak(world))).toBe(204);
    expect(await remove("b", await approved!.speak(world))).toBe(204);
    // What has expired speaks for nobody any more.
    await world.deps.sql`update servicekey set expiration_date = now() - interval '1 day' where kid = 'c'`;
    expect(await remove("c", await approved!.speak(world))).toBe(403);
    expect((await world.deps.sql`select kid from servicekey where service = 'builder'`).map(({ kid }) => kid))
      .toEqual(["c"]);
  });
});

Deno.test("keys that wait: a bounded number, and not for ever; none while the registry is read-only", async () => {
  await withWorld({ UNAPPROVED_SERVICE_KEY_TTL_SEC: 3600 }, async (world) => {
    const holder = await newHolder("mine");
    await world.deps.sql`
      insert into servicekey (name, kid, service, jwk, created_date)
      select '', 'k' || g, 'builder', '{}', ${new Date(world.clock.nowMs)} from generate_series(1, 100) g`;
    expect(await put(world, holder)).toBe(429);
    world.clock.nowMs += ms("2h");
    expect(await cleanServiceKeys(world.deps)).toBe(100);
    expect(await put(world, holder)).toBe(202);
    expect(await waiting(world)).toHaveLength(1);
    world.clock.nowMs += ms("2h");
    expect(await cleanServiceKeys(world.deps)).toBe(1);
    expect(await waiting(world)).toHaveLength(0);
    Object.assign(world.deps.config, { REGISTRY_STATE: "readonly" });
    expect(await put(world, holder)).toBe(503);
    expect((await call(world, "DELETE", "mine", { token: await holder.speak(world) })).status).toBe(503);
  });
});

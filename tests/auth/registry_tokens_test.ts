import assert from "node:assert/strict";
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, importJWK, SignJWT } from "jose";
import { defaultConfig } from "../../src/config/schema.ts";
import type { Actor } from "../../src/domain/access/access.ts";
import { issueRegistryToken, verifyRegistryToken } from "../../src/domain/access/registry_tokens.ts";
import { ensureInstanceKey, instanceKey } from "../../src/domain/site/service_keys.ts";
import type { Pool } from "../../src/drivers/database/postgres.ts";
import { createMetrics } from "../../src/lib/metrics.ts";

const START_MS = Date.UTC(2026, 0, 1);
const ADA: Actor = { kind: "user", id: 7, uuid: "u", username: "ada", scopes: "all", via: "password" };

interface Row {
  kid: string;
  service: string;
  jwk: string;
  approved: boolean;
  expiresAtMs: number | null;
}

/** The table `servicekey` alone: what is tested here is the token, not the SQL. */
function keyTable() {
  const rows = new Map<string, Row>();
  let reads = 0;
  const sql = (strings: TemplateStringsArray, ...values: unknown[]) => {
    const text = strings.join("?");
    if (text.includes("from servicekey where kid")) {
      reads++;
      return Promise.resolve([rows.get(values.at(-1) as string)].filter((row) => row !== undefined));
    }
    if (text.includes("update servicekey")) {
      const row = rows.get(values.at(-1) as string);
      if (row !== undefined) row.expiresAtMs = (values[0] as number) * 1000;
      return Promise.resolve(row === undefined ? [] : [{ id: 1 }]);
    }
    if (text.includes("insert into servicekeyapproval")) return Promise.resolve([{ id: 1 }]);
    if (text.includes("insert into servicekey")) {
      const [, kid, service, jwk, , , end] = values as [
        string,
        string,
        string,
        string,
        string,
        number,
        number,
      ];
      if (!rows.has(kid)) rows.set(kid, { kid, service, jwk, approved: true, expiresAtMs: end * 1000 });
      return Promise.resolve([{ id: 1 }]);
    }
    return text;
  };
  sql.begin = (work: (tx: unknown) => Promise<unknown>) => work(sql);
  return { sql: sql as unknown as Pool, rows, reads: () => reads };
}

async function withService(
  work: (made: Awaited<ReturnType<typeof service>>) => Promise<void>,
): Promise<void> {
  const dataDir = await Deno.makeTempDir();
  try {
    await work(await service(dataDir));
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
}

async function service(dataDir: string) {
  const table = keyTable();
  const clock = { nowMs: START_MS };
  const deps = {
    sql: table.sql,
    config: defaultConfig({ SERVER_HOSTNAME: "quay.example", SUPER_USERS: ["root"] }),
    metrics: createMetrics(),
    now: () => clock.nowMs,
  };
  await ensureInstanceKey(deps, { dataDir });
  return { deps, table, clock, dataDir };
}

Deno.test("issueRegistryToken(): the claims of Quay, and what they mean here", async () => {
  await withService(async ({ deps }) => {
    const jwt = await issueRegistryToken(deps, ADA, "quay.example", [
      { name: "devs/app", actions: ["pull", "push"] },
      { name: "devs/other", actions: [] },
    ]);
    const [header, payload] = jwt.split(".").slice(0, 2).map((part) =>
      JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(part, { alphabet: "base64url" })))
    );
    assert.deepEqual(header, { typ: "JWT", alg: "RS256", kid: instanceKey(deps).kid });
    const { context, ...claims } = payload;
    assert.deepEqual(claims, {
      access: [
        { type: "repository", name: "devs/app", actions: ["pull", "push"] },
        { type: "repository", name: "devs/other", actions: [] },
      ],
      iss: "quay",
      aud: "quay.example",
      sub: "ada",
      iat: START_MS / 1000,
      nbf: START_MS / 1000,
      exp: START_MS / 1000 + 3600,
    });
    assert.equal(context["com.apostille.root"], "$disabled");
    assert.equal(context.user, "ada");

    const token = await verifyRegistryToken(deps, jwt);
    assert.equal(token.subject, "ada");
    assert.equal(token.kind, "user");
    assert.equal(token.userId, 7);
    assert.equal(token.superuser, false);
    assert.deepEqual([...token.grants.get("devs/app") ?? []], ["pull", "push"]);
    assert.equal(token.grants.get("devs/other")?.size, 0);
  });
});

Deno.test("issueRegistryToken(): nobody, a robot, a superuser", async () => {
  await withService(async ({ deps }) => {
    const kinds: [Actor, string, string, boolean][] = [
      [{ kind: "anonymous" }, "(anonymous)", "anonymous", false],
      [{ kind: "robot", id: 9, username: "devs+bot", ownerId: 3 }, "devs+bot", "robot", false],
      [{ ...ADA, username: "root" } as Actor, "root", "user", true],
    ];
    for (const [actor, subject, kind, superuser] of kinds) {
      const token = await verifyRegistryToken(
        deps,
        await issueRegistryToken(deps, actor, "quay.example", []),
      );
      assert.deepEqual([token.subject, token.kind, token.superuser], [subject, kind, superuser]);
    }
  });
});

Deno.test("verifyRegistryToken(): remembered until it ends, 30 s of leeway included", async () => {
  await withService(async ({ deps, clock, table }) => {
    const jwt = await issueRegistryToken(deps, ADA, "quay.example", []);
    const first = await verifyRegistryToken(deps, jwt);
    const reads = table.reads();
    clock.nowMs += 3629_000;
    assert.equal(await verifyRegistryToken(deps, jwt), first);
    assert.equal(table.reads(), reads, "no question to the database");
    clock.nowMs += 2_000;
    await assert.rejects(verifyRegistryToken(deps, jwt), { code: "invalid_token" });
  });
});

Deno.test("verifyRegistryToken(): forged, foreign, stale and malformed tokens", async (t) => {
  await withService(async ({ deps, table, clock }) => {
    const own = instanceKey(deps);
    const nowS = START_MS / 1000;
    const foreign = await generateKeyPair("RS256", { extractable: true });
    const foreignJwk = await exportJWK(foreign.publicKey);
    const add = (kid: string, row: Partial<Row>) =>
      table.rows.set(kid, {
        kid,
        service: "quay",
        jwk: JSON.stringify(foreignJwk),
        approved: true,
        expiresAtMs: null,
        ...row,
      });
    add("clair", { service: "clair" });
    add("unapproved", { approved: false });
    add("expired", { expiresAtMs: START_MS - 1 });
    add("fine", {});
    add("ec", { jwk: JSON.stringify({ kty: "EC", crv: "P-256", x: "AA", y: "AA" }) });

    const base = {
      access: [{ type: "repository", name: "a/b", actions: ["pull", "push", "*"] }],
      context: {},
    };
    const sign = (
      key: CryptoKey | Uint8Array,
      kid: string,
      claims: Record<string, unknown> = {},
      alg = "RS256",
    ) => {
      const all = {
        ...base,
        iss: "quay",
        aud: "quay.example",
        sub: "eve",
        iat: nowS,
        nbf: nowS,
        exp: nowS + 3600,
        ...claims,
      };
      return new SignJWT(all).setProtectedHeader({ alg, kid }).sign(key);
    };
    const good = await issueRegistryToken(deps, ADA, "quay.example", []);
    const [head, body, signature] = good.split(".") as [string, string, string];
    const encode = (value: unknown) =>
      new TextEncoder().encode(JSON.stringify(value)).toBase64({ alphabet: "base64url", omitPadding: true });
    const publicKey = await importJWK({ ...own.publicJwk, ext: true }, "RS256", {
      extractable: true,
    }) as CryptoKey;
    const publicPem = new TextEncoder().encode(await exportSPKI(publicKey));

    const bad: Record<string, string> = {
      "changed claims": `${head}.${encode({ ...base, sub: "root" })}.${signature}`,
      "changed signature": `${head}.${body}.${signature.slice(0, -6)}AAAAAA`,
      "no signature": `${head}.${body}.`,
      "alg none": `${encode({ alg: "none", kid: own.kid })}.${body}.`,
      "alg none, signature kept": `${encode({ alg: "none", kid: own.kid })}.${body}.${signature}`,
      "HS256 with the public key as secret": await sign(publicPem, own.kid, {}, "HS256"),
      "an unknown key": await sign(foreign.privateKey, "nobody"),
      "our kid, another key": await sign(foreign.privateKey, own.kid),
      "the key of another service": await sign(foreign.privateKey, "clair"),
      "the key of another service under its name": await sign(foreign.privateKey, "clair", { iss: "clair" }),
      "a key that nobody approved": await sign(foreign.privateKey, "unapproved"),
      "a key that has expired": await sign(foreign.privateKey, "expired"),
      "a key that is not RSA": await sign(foreign.privateKey, "ec"),
      "another audience": await issueRegistryToken(deps, ADA, "other.example", []),
      "several wrong audiences": await sign(foreign.privateKey, "fine", { aud: ["a", "b"] }),
      "no audience": await sign(foreign.privateKey, "fine", { aud: undefined }),
      "no end": await sign(foreign.privateKey, "fine", { exp: undefined }),
      "no subject": await sign(foreign.privateKey, "fine", { sub: undefined }),
      "no issue time": await sign(foreign.privateKey, "fine", { iat: undefined }),
      "too long a life": await sign(foreign.privateKey, "fine", { exp: nowS + 3661 }),
      "ended": await sign(foreign.privateKey, "fine", { iat: nowS - 3600, nbf: nowS - 3600, exp: nowS - 30 }),
      "not yet": await sign(foreign.privateKey, "fine", { nbf: nowS + 31 }),
      "issued in the future": await sign(foreign.privateKey, "fine", { iat: nowS + 31 }),
      "empty": "",
      "words": "not a token",
      "two dots": "..",
      "too long": `${good}${"A".repeat(20_000)}`,
      "a kid that is no text": `${encode({ alg: "RS256", kid: 7 })}.${body}.${signature}`,
      "a critical extension": `${
        encode({ alg: "RS256", kid: own.kid, crit: ["x"], x: 1 })
      }.${body}.${signature}`,
    };
    for (const [what, jwt] of Object.entries(bad)) {
      await t.step(what, () => assert.rejects(verifyRegistryToken(deps, jwt), { code: "invalid_token" }));
    }
    await t.step("within the leeway", async () => {
      const token = await verifyRegistryToken(
        deps,
        await sign(foreign.privateKey, "fine", { nbf: nowS + 29, iat: nowS + 29, exp: nowS + 3600 }),
      );
      assert.equal(token.subject, "eve");
      assert.equal(token.superuser, false);
    });
    await t.step("a revoked key is refused half a minute later", async () => {
      table.rows.delete("fine");
      clock.nowMs += 31_000;
      const jwt = await sign(foreign.privateKey, "fine", { jti: "another" });
      await assert.rejects(verifyRegistryToken(deps, jwt), { code: "invalid_token" });
    });
  });
});

Deno.test("ensureInstanceKey(): threads that start at once agree on one key, kept for the next start", async () => {
  const dataDir = await Deno.makeTempDir();
  try {
    const table = keyTable();
    const config = defaultConfig({ SERVER_HOSTNAME: "quay.example" });
    const deps = { sql: table.sql, config, now: () => START_MS };
    const keys = await Promise.all(Array.from({ length: 4 }, () => ensureInstanceKey(deps, { dataDir })));
    const again = await ensureInstanceKey(deps, { dataDir });
    assert.deepEqual(new Set(keys.map((key) => key.kid)), new Set([again.kid]));
    assert.equal(table.rows.size, 1);
    const files = [...Deno.readDirSync(`${dataDir}/keys`)].map((file) => file.name);
    assert.deepEqual(files, ["quay.pem"]);
    assert.equal((Deno.statSync(`${dataDir}/keys/quay.pem`).mode ?? 0) & 0o777, 0o600);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("ensureInstanceKey(): the operator's quay.pem and quay.kid come first; a damaged one is named", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const table = keyTable();
    const deps = { sql: table.sql, config: defaultConfig(), now: () => START_MS };
    await ensureInstanceKey(deps, { dataDir: dir });
    await Deno.mkdir(`${dir}/config`);
    await Deno.copyFile(`${dir}/keys/quay.pem`, `${dir}/config/quay.pem`);
    await Deno.writeTextFile(`${dir}/config/quay.kid`, "the-operators-kid\n");
    const key = await ensureInstanceKey(deps, { dataDir: dir, configDir: `${dir}/config` });
    assert.equal(key.kid, "the-operators-kid");
    await Deno.writeTextFile(`${dir}/config/quay.pem`, "nonsense");
    await assert.rejects(
      ensureInstanceKey(deps, { dataDir: dir, configDir: `${dir}/config` }),
      /quay\.pem is not an RSA private key/,
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

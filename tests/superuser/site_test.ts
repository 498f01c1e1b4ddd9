import { expect } from "@std/testing";
import { CONFIG_SHAPE } from "../../src/config/schema.ts";
import type { Config } from "../../src/config/schema.ts";
import { workOnRegistrySize } from "../../src/workers/registry_size.ts";
import { Content } from "../api/content.ts";
import { withSite } from "../api/site.ts";

Deno.test("messages: superusers tell, everybody reads", async () => {
  await withSite({ FEATURE_ANONYMOUS_ACCESS: true }, async (site) => {
    const [root, bob] = [await site.browserOf("root"), await site.browserOf("bob")];
    expect(await site.stranger().expect(200, "GET", "/messages")).toEqual({ messages: [] });
    const message = { content: "*Down* at noon", media_type: "text/markdown", severity: "warning" };
    await root.expect(201, "POST", "/messages", { message });
    await root.expect(201, "POST", "/messages", { message: { ...message, content: "second" } });
    await bob.expect(403, "POST", "/messages", { message });
    for (
      const body of [
        {},
        { message: { content: "x" } },
        { message: { ...message, severity: "loud" } },
        { message: { ...message, media_type: "text/html" } },
        { message: { ...message, content: "x".repeat(20_000) } },
      ]
    ) await root.expect(400, "POST", "/messages", body);
    const { messages } = await site.stranger().expect(200, "GET", "/messages");
    expect(messages).toEqual([
      { uuid: expect.any(String), ...message },
      { uuid: expect.any(String), ...message, content: "second" },
    ]);
    await bob.expect(403, "DELETE", `/message/${messages[0].uuid}`);
    await root.expect(204, "DELETE", `/message/${messages[0].uuid}`);
    await root.expect(404, "DELETE", `/message/${messages[0].uuid}`);
    expect((await bob.expect(200, "GET", "/messages")).messages.length).toBe(1);
  });
});

Deno.test("superuser/registrysize/: queued once, counted by a worker: each blob that a manifest holds, once", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    const root = await site.browserOf("root");
    const path = "/superuser/registrysize/";
    const nothing = { size_bytes: 0, last_ran: null, queued: false, running: false };
    expect(await root.expect(200, "GET", path)).toEqual(nothing);
    const one = await Content.of(deps, "acme/one");
    const two = await Content.of(deps, "acme/two");
    await one.image({ word: "same", tag: "v1" });
    await two.image({ word: "same", tag: "v1" });
    await two.image({ word: "other", tag: "v2" });
    await deps
      .sql`insert into imagestorage (image_size, content_checksum) values (1000000, 'sha256:nobody-has-it')`;
    await root.expect(201, "POST", path);
    await root.expect(202, "POST", path);
    expect(await root.expect(200, "GET", path)).toEqual({ ...nothing, queued: true });
    expect(await workOnRegistrySize(deps)).toBe(1);
    const [{ bytes }] = await deps.sql<[{ bytes: number }]>`
      select sum(image_size)::float8 as bytes from imagestorage where content_checksum <> 'sha256:nobody-has-it'`;
    expect(await root.expect(200, "GET", path)).toEqual({
      size_bytes: bytes,
      last_ran: expect.any(Number),
      queued: false,
      running: false,
    });
    await root.expect(201, "POST", path);
    expect(await workOnRegistrySize(deps)).toBe(1);
    expect(await workOnRegistrySize(deps)).toBe(0);
  });
});

Deno.test("superuser/registrysize/: several who ask at once queue one count", async () => {
  await withSite({}, async (site) => {
    const root = await site.browserOf("root");
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => root.api("POST", "/superuser/registrysize/")),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(202)]);
    expect(await workOnRegistrySize(site.deps)).toBe(1);
  });
});

Deno.test("superuser/changelog/, registrystatus: what the binary carries", async () => {
  await withSite({}, async (site) => {
    const root = await site.browserOf("root");
    const { log } = await root.expect(200, "GET", "/superuser/changelog/");
    expect(log).toBe(await Deno.readTextFile("CHANGELOG.md"));
    expect(await root.expect(200, "GET", "/superuser/registrystatus"))
      .toEqual({ provider_id: "file", status: "ready" });
    await root.expect(404, "GET", "/superuser/no-such-build/logs");
  });
});

Deno.test("superuser/config: the running configuration without a secret, only when it is allowed", async () => {
  const secret = "do-not-tell-7f3a";
  const config: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(CONFIG_SHAPE)) {
    if (schema.meta()?.secret !== true || key === "SECRET_KEY" || key === "DATABASE_SECRET_KEY") continue;
    config[key] = schema.meta()?.kind === "object" ? { inner: { password: secret } } : secret;
  }
  config.DB_URI = `postgresql://quay:${secret}@database/quay`;
  config.ACME_LOGIN_CONFIG = { CLIENT_SECRET: secret, SERVICE_NAME: "Acme" };
  config.DOCUMENTATION_ROOT = `https://user:${secret}@docs.example`;
  config.SECRET_KEY = `${secret}-secret-key`;
  config.DATABASE_SECRET_KEY = `${secret}-database-key`;
  config.DISTRIBUTED_STORAGE_CONFIG = { default: ["S3Storage", { s3_secret_key: secret }] };
  Deno.env.set("QUAY_OVERRIDE_CONFIG", JSON.stringify({ MAIL_PASSWORD: secret }));
  Deno.env.set("UNRELATED_OF_TEST", "not ours");
  try {
    await withSite({ ...config, FEATURE_SUPERUSER_CONFIGDUMP: true } as Partial<Config>, async (site) => {
      const root = await site.browserOf("root");
      const dump = await root.expect(200, "GET", "/superuser/config");
      expect(Object.keys(dump).sort()).toEqual(["config", "env", "schema", "warning"]);
      const text = JSON.stringify(dump);
      expect(text).not.toContain(secret);
      expect(text).not.toContain("not ours");
      expect(dump.config.SERVER_HOSTNAME).toBe("registry.test");
      expect(dump.config.SECRET_KEY).toBe("**********");
      expect(Object.keys(dump.config)).toEqual(expect.arrayContaining(Object.keys(CONFIG_SHAPE)));
      expect(dump.env.QUAY_OVERRIDE_CONFIG).toBe("**********");
      expect(dump.schema.properties.SERVER_HOSTNAME.type).toBe("string");
      await (await site.browserOf("bob")).expect(403, "GET", "/superuser/config");
    });
  } finally {
    Deno.env.delete("QUAY_OVERRIDE_CONFIG");
    Deno.env.delete("UNRELATED_OF_TEST");
  }
  await withSite({}, async (site) => {
    await (await site.browserOf("root")).expect(404, "GET", "/superuser/config");
  });
});

Deno.test("superuser/apptokens: everybody's, without codes; to superusers only with FEATURE_SUPERUSERS_FULL_ACCESS", async () => {
  await withSite({ GLOBAL_READONLY_SUPER_USERS: ["carol"] }, async (site) => {
    await (await site.browserOf("root")).expect(403, "GET", "/superuser/apptokens");
    await (await site.browserOf("carol")).expect(200, "GET", "/superuser/apptokens");
  });
  await withSite({ FEATURE_SUPERUSERS_FULL_ACCESS: true }, async (site) => {
    const { sql } = site.deps;
    await sql`
      insert into appspecificauthtoken (user_id, uuid, title, token_name, token_secret, expiration)
      select id, 'uuid-' || username, 'of ' || username, 'name-' || username, 'sealed-secret',
        case username when 'bob' then now() at time zone 'utc' + interval '2 days' end
      from "user" where username in ('alice', 'bob')`;
    const root = await site.browserOf("root");
    const { tokens, only_expiring } = await root.expect(200, "GET", "/superuser/apptokens");
    expect(only_expiring).toBe(false);
    expect(tokens.map(({ user, title }: { user: string; title: string }) => [user, title]))
      .toEqual([["alice", "of alice"], ["bob", "of bob"]]);
    expect(JSON.stringify(tokens)).not.toMatch(/sealed-secret|name-/);
    const expiring = await root.expect(200, "GET", "/superuser/apptokens?expiring=true");
    expect(expiring.tokens.map(({ uuid }: { uuid: string }) => uuid)).toEqual(["uuid-bob"]);
  });
});

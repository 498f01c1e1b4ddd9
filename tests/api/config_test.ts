import { expect } from "@std/testing";
import { CONFIG_SHAPE } from "../../src/config/schema.ts";
import type { Config } from "../../src/config/schema.ts";
import { CLIENT_KEYS } from "../../src/http/web/client_config.ts";
import { withSite } from "./site.ts";

async function read(config: Partial<Config>) {
  let answer: Response | undefined;
  await withSite(config, async (site) => {
    answer = await site.stranger().call("GET", "/config");
  });
  expect(answer?.status).toBe(200);
  expect(answer?.headers.get("Content-Type")).toBe("application/json");
  expect(answer?.headers.get("Cache-Control")).toBe("no-store");
  return await answer!.json();
}

Deno.test("GET /config: every feature is there, as a real boolean", async () => {
  const { features, config } = await read({ FEATURE_REPO_MIRROR: true, FEATURE_BUILD_SUPPORT: true });
  const keys = Object.keys(CONFIG_SHAPE).filter((key) => key.startsWith("FEATURE_"));
  expect(keys.length).toBeGreaterThan(80);
  expect(Object.keys(features).sort()).toEqual(keys.map((key) => key.slice(8)).sort());
  for (const [name, value] of Object.entries(features)) {
    expect([name, typeof value]).toEqual([name, "boolean"]);
  }
  // A text in spite of its name.
  expect([features.LISTEN_IP_VERSION, config.FEATURE_LISTEN_IP_VERSION]).toEqual([true, "IPv4"]);
  expect(features).toMatchObject({
    REPO_MIRROR: true,
    MAILING: false,
    DIRECT_LOGIN: true,
    BUILD_SUPPORT: false,
  });
});

Deno.test("GET /config: what a console asks for first", async () => {
  const answer = await read({
    ENTERPRISE_LOGO_URL: "/logo.svg",
    BRANDING: { logo: "/other.svg", footer_url: "https://example.org" },
    REGISTRY_TITLE: "Site 7",
    REGISTRY_STATE: "readonly",
  });
  expect(Object.keys(answer).sort()).toEqual([
    "account_recovery_mode",
    "config",
    "external_login",
    "features",
    "oauth",
    "registry_state",
    "version_number",
  ]);
  expect(answer).toMatchObject({
    oauth: {},
    external_login: [],
    registry_state: "readonly",
    account_recovery_mode: false,
    version_number: expect.stringMatching(/^\d+\.\d+\.\d+/),
    config: {
      AUTHENTICATION_TYPE: "Database",
      SERVER_HOSTNAME: "registry.test",
      PREFERRED_URL_SCHEME: "http",
      REGISTRY_TITLE: "Site 7",
      BRANDING: { logo: "/logo.svg", footer_img: null, footer_url: "https://example.org" },
      DEFAULT_NAMESPACE_AUTOPRUNE_POLICY: null,
      TAG_EXPIRATION_OPTIONS: ["0s", "1d", "1w", "2w", "4w"],
      PERMANENTLY_DELETE_TAGS: false,
    },
  });
});

Deno.test("GET /config: never a secret", async () => {
  const secret = "do-not-tell";
  const config: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(CONFIG_SHAPE)) {
    if (schema.meta()?.secret !== true) continue;
    expect([key, (CLIENT_KEYS as readonly string[]).includes(key)]).toEqual([key, false]);
    config[key] = schema.meta()?.kind === "object" ? { CLIENT_SECRET: secret } : secret;
  }
  expect(Object.keys(config).length).toBeGreaterThan(10);
  config.DB_URI = `postgresql://quay:${secret}@database/quay`;
  config.DISTRIBUTED_STORAGE_CONFIG = { default: ["S3Storage", { s3_secret_key: secret }] };
  config.ACME_LOGIN_CONFIG = { CLIENT_SECRET: secret };
  const text = JSON.stringify(await read(config as Partial<Config>));
  expect(text).not.toContain(secret);
  expect(text).not.toContain("SECRET_KEY");
});

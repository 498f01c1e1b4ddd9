import assert from "node:assert/strict";
import { stringify } from "@std/yaml";
import { loadConfig, type LoadedConfig } from "../../src/config/load.ts";
import { CONFIG_SHAPE, configSchema } from "../../src/config/schema.ts";

interface Given {
  /** Text of config.yaml; absent: no file. */
  file?: string;
  env?: Record<string, string>;
  tls?: ("ssl.cert" | "ssl.key")[];
}

async function load(given: Given, look?: (dirs: { configDir: string; dataDir: string }) => Promise<void>) {
  const root = await Deno.makeTempDir();
  const dirs = { configDir: `${root}/conf`, dataDir: `${root}/data` };
  try {
    await Deno.mkdir(dirs.configDir);
    if (given.file !== undefined) await Deno.writeTextFile(`${dirs.configDir}/config.yaml`, given.file);
    for (const name of given.tls ?? []) await Deno.writeTextFile(`${dirs.configDir}/${name}`, "PEM");
    const loaded = await loadConfig({ ...dirs, env: given.env ?? {} });
    await look?.(dirs);
    return loaded;
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const keysOf = (found: { key: string }[]) => found.map(({ key }) => key).sort();
const noticed = (loaded: LoadedConfig, kind: string) => keysOf(loaded.notices.filter((n) => n.kind === kind));

Deno.test("loadConfig() works without any file", async () => {
  const root = await Deno.makeTempDir();
  try {
    const dataDir = `${root}/data`;
    const first = await loadConfig({ dataDir, env: {} });
    assert.deepEqual(first.problems, []);
    assert.deepEqual(first.notices, []);
    const { config } = first;
    assert.equal(config.SERVER_HOSTNAME, "localhost:8080");
    assert.equal(config.FEATURE_LISTEN_IP_VERSION, "dual-stack");
    assert.deepEqual([config.FEATURE_USER_INITIALIZE, config.FEATURE_MAILING, config.DB_URI], [
      true,
      false,
      null,
    ]);
    assert.deepEqual(config.DISTRIBUTED_STORAGE_CONFIG, {
      default: ["LocalStorage", { storage_path: `${dataDir}/storage` }],
    });
    assert.deepEqual(config.DISTRIBUTED_STORAGE_PREFERENCE, ["default"]);
    assert.equal((await Deno.stat(`${dataDir}/secrets.json`)).mode! & 0o777, 0o600);
    const second = await loadConfig({ dataDir, env: {} });
    assert.equal(second.config.SECRET_KEY, config.SECRET_KEY);
    assert.equal(second.config.DATABASE_SECRET_KEY, config.DATABASE_SECRET_KEY);
    assert.notEqual(config.SECRET_KEY, config.DATABASE_SECRET_KEY);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("loadConfig() agrees on one secrets.json when many start at once", async () => {
  const dataDir = await Deno.makeTempDir();
  try {
    const loaded = await Promise.all(Array.from({ length: 16 }, () => loadConfig({ dataDir, env: {} })));
    assert.equal(new Set(loaded.map(({ config }) => config.DATABASE_SECRET_KEY)).size, 1);
    assert.deepEqual(Array.from(Deno.readDirSync(dataDir), ({ name }) => name), ["secrets.json"]);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("loadConfig() never replaces a damaged secrets.json", async () => {
  const dataDir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${dataDir}/secrets.json`, '{"SECRET_KEY":');
    const { problems } = await loadConfig({ dataDir, env: {} });
    assert.deepEqual(keysOf(problems), ["SECRET_KEY"]);
    assert.match(problems[0]!.message, /damaged/);
    assert.equal(await Deno.readTextFile(`${dataDir}/secrets.json`), '{"SECRET_KEY":');
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("loadConfig({ keepSecrets: false }) changes nothing", async () => {
  const dataDir = await Deno.makeTempDir();
  try {
    const { config, problems } = await loadConfig({ dataDir, env: {}, keepSecrets: false });
    assert.deepEqual(problems, []);
    assert.ok(config.SECRET_KEY);
    assert.deepEqual(Array.from(Deno.readDirSync(dataDir)), []);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

/** What an operator of Quay typically brings along. */
const QUAYS_OWN = `
AUTHENTICATION_TYPE: Database
AVATAR_KIND: local
BITTORRENT_FILENAME_PEPPER: 0ee18f90-5b6d-42d2-ab5e-ec9fcd846272
BUILDLOGS_REDIS:
    host: quay-server.example.com
    password: strongpassword
    port: 6379
DATABASE_SECRET_KEY: '05ee6382-24a6-43c0-b30f-849c8a0f7260'
DB_CONNECTION_ARGS: {}
DB_URI: postgresql://quayuser:quaypass@quay-server.example.com:5432/quay
DEFAULT_TAG_EXPIRATION: 2w
DISTRIBUTED_STORAGE_CONFIG:
    default:
        - LocalStorage
        - storage_path: /datastorage/registry
    rgw:
        - RadosGWStorage
        - access_key: access_key_here
          secret_key: secret_key_here
          bucket_name: bucket_name_here
          hostname: rgw.example.com
          is_secure: true
          port: '443'
          storage_path: /datastorage/registry
          maximum_chunk_size_mb: 100
          server_side_assembly: true
DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS: []
DISTRIBUTED_STORAGE_PREFERENCE:
    - default
    - rgw
ENTERPRISE_LOGO_URL: /static/img/RH_Logo_Quay_Black_UX-horizontal.svg
FEATURE_ACI_CONVERSION: false
FEATURE_ANONYMOUS_ACCESS: true
FEATURE_APP_REGISTRY: false
FEATURE_APP_SPECIFIC_TOKENS: true
FEATURE_BUILD_SUPPORT: false
FEATURE_CHANGE_TAG_EXPIRATION: true
FEATURE_DIRECT_LOGIN: true
FEATURE_MAILING: false
FEATURE_PARTIAL_USER_AUTOCOMPLETE: true
FEATURE_REPO_MIRROR: false
FEATURE_REQUIRE_TEAM_INVITE: true
FEATURE_RESTRICTED_V1_PUSH: true
FEATURE_SECURITY_NOTIFICATIONS: true
FEATURE_SECURITY_SCANNER: false
FEATURE_USERNAME_CONFIRMATION: true
FEATURE_USER_CREATION: true
FEATURE_USER_LOG_ACCESS: true
GITHUB_LOGIN_CONFIG: {}
GITHUB_TRIGGER_CONFIG: {}
GITLAB_TRIGGER_KIND: {}
LDAP_ALLOW_INSECURE_FALLBACK: false
LDAP_EMAIL_ATTR: mail
LDAP_UID_ATTR: uid
LOGS_MODEL: database
MAIL_DEFAULT_SENDER: support@example.com
MAIL_PORT: '587'
MAIL_SERVER: null
MAIL_USE_TLS: true
PREFERRED_URL_SCHEME: http
REGISTRY_TITLE: Project Quay
REPO_MIRROR_INTERVAL: 30
REPO_MIRROR_TLS_VERIFY: yes
SEARCH_MAX_RESULT_PAGE_COUNT: 10
SEARCH_RESULTS_PER_PAGE: 10
SECRET_KEY: e8f9fe68-1f84-48a8-a05f-02d72e6eccba
SERVER_HOSTNAME: quay-server.example.com
SETUP_COMPLETE: true
SUPER_USERS: quayadmin
TAG_EXPIRATION_OPTIONS:
    - 0s
    - 1d
    - 1w
    - 2w
    - 4w
    - 3y
TEAM_RESYNC_STALE_TIME: 60m
TESTING: false
USERFILES_LOCATION: default
USERFILES_PATH: userfiles/
USER_EVENTS_REDIS:
    host: quay-server.example.com
    password: strongpassword
    port: 6379
USER_RECOVERY_TOKEN_LIFETIME: 30m
`.replace("    - 3y\n", "");

Deno.test("loadConfig() takes a config.yaml of Quay as it is", async () => {
  const loaded = await load({ file: QUAYS_OWN });
  assert.deepEqual(loaded.problems, []);
  const { config } = loaded;
  assert.equal(config.MAIL_PORT, 587);
  assert.equal(config.REPO_MIRROR_TLS_VERIFY, true);
  assert.deepEqual(config.SUPER_USERS, ["quayadmin"]);
  assert.equal(
    config.FEATURE_LISTEN_IP_VERSION,
    "IPv4",
    "Quay's default applies once there is a config.yaml",
  );
  assert.equal(config.FEATURE_USER_INITIALIZE, false);
  assert.deepEqual(noticed(loaded, "unknown"), [
    "BITTORRENT_FILENAME_PEPPER",
    "FEATURE_ACI_CONVERSION",
    "FEATURE_APP_REGISTRY",
    "GITLAB_TRIGGER_KIND",
  ]);
  for (const key of ["BUILDLOGS_REDIS", "USER_EVENTS_REDIS"]) {
    assert.ok(noticed(loaded, "not_needed").includes(key), key);
  }
});

Deno.test("loadConfig() takes object stores, and says by name which engine is not available", async () => {
  const env = { QUAY_DISTRIBUTED_STORAGE_PREFERENCE: " rgw  default " };
  const { config, problems } = await load({ file: QUAYS_OWN, env });
  assert.deepEqual(config.DISTRIBUTED_STORAGE_PREFERENCE, ["rgw", "default"]);
  assert.deepEqual(problems, []);
  const far = { far: ["CloudFlareStorage", { s3_bucket: "b" }], near: ["LocalStorage", {}] };
  const refused = await load({ file: stringify({ DISTRIBUTED_STORAGE_CONFIG: far }) });
  assert.deepEqual(keysOf(refused.problems), ["DISTRIBUTED_STORAGE_CONFIG.far"]);
  assert.match(refused.problems[0]!.message, /CloudFlareStorage.*not available/);
});

Deno.test("loadConfig() round-trips the default of every key, as YAML and as JSON", async () => {
  const defaults = configSchema.parse({});
  const given: Record<string, unknown> = {
    ...defaults,
    DISTRIBUTED_STORAGE_CONFIG: { default: ["LocalStorage", { storage_path: "/srv" }] },
    DISTRIBUTED_STORAGE_PREFERENCE: ["default"],
    SECRET_KEY: "0123456789abcdef",
    DATABASE_SECRET_KEY: "fedcba9876543210",
    FEATURE_MAILING: false,
  };
  for (const file of [stringify(given), JSON.stringify(given)]) {
    const loaded = await load({ file });
    assert.deepEqual(loaded.problems, []);
    assert.deepEqual(loaded.config, given);
    assert.deepEqual(noticed(loaded, "unknown"), []);
  }
});

Deno.test("loadConfig() lets null override a default", async () => {
  const file =
    "DEBUG: null\nSUPER_USERS: null\nRESTRICTED_USERS_WHITELIST: null\nFEATURE_ANONYMOUS_ACCESS: null\n" +
    "SEARCH_RESULTS_PER_PAGE: null\nFEATURE_MAILING: ~\n";
  const { config, problems, notices } = await load({ file });
  assert.deepEqual(problems, []);
  assert.equal(config.FEATURE_ANONYMOUS_ACCESS, false);
  assert.deepEqual(config.SUPER_USERS, []);
  assert.equal(config.SEARCH_RESULTS_PER_PAGE, 10);
  assert.ok(notices.some(({ key, kind }) => key === "SEARCH_RESULTS_PER_PAGE" && kind === "advice"));
});

Deno.test("QUAY_OVERRIDE_CONFIG wins over config.yaml", async () => {
  const env = { QUAY_OVERRIDE_CONFIG: '{"SERVER_HOSTNAME": "b.example", "SUPER_USERS": ["x"]}' };
  const { config } = await load({
    file: "SERVER_HOSTNAME: a.example\nREGISTRY_TITLE: T\nFEATURE_MAILING: no\n",
    env,
  });
  assert.deepEqual([config.SERVER_HOSTNAME, config.REGISTRY_TITLE, config.SUPER_USERS], ["b.example", "T", [
    "x",
  ]]);
  const broken = await load({ env: { QUAY_OVERRIDE_CONFIG: "{" } });
  assert.deepEqual(keysOf(broken.problems), ["QUAY_OVERRIDE_CONFIG"]);
});

Deno.test("loadConfig() suggests the key that was meant", async () => {
  const { notices, problems } = await load({ file: "FEATURE_REPO_MIROR: true\nFEATURE_MAILING: false\n" });
  assert.deepEqual(problems, []);
  assert.match(notices[0]!.message, /FEATURE_REPO_MIROR is no key .* Did you mean FEATURE_REPO_MIRROR\?/);
});

Deno.test("loadConfig() lists all problems at once, each with a way to mend it and without the value", async () => {
  const file = `
PREFERRED_URL_SCHEME: https
SERVER_HOSTNAME: https://registry.example.com/
DB_URI: mysql+pymysql://quay:hunter2secret@db/quay
SUPER_USERS: {a: 1}
FEATURE_DIRECT_LOGIN: perhaps
DEFAULT_TAG_EXPIRATION: 3w
GARBAGE_COLLECTION_FREQUENCY: often
MAXIMUM_LAYER_SIZE: 20 gigabytes
DISTRIBUTED_STORAGE_PREFERENCE: [nowhere]
FEATURE_MAILING: true
FEATURE_SECURITY_SCANNER: true
CORP_LOGIN_CONFIG: {CLIENT_ID: x, OIDC_SERVER: "http://idp", SERVICE_NAME: Corp}
`;
  const { problems } = await load({ file });
  assert.deepEqual(keysOf(problems), [
    "CORP_LOGIN_CONFIG.CLIENT_SECRET",
    "CORP_LOGIN_CONFIG.OIDC_SERVER",
    "CORP_LOGIN_CONFIG.OIDC_SERVER",
    "DB_URI",
    "DEFAULT_TAG_EXPIRATION",
    "DISTRIBUTED_STORAGE_PREFERENCE",
    "FEATURE_DIRECT_LOGIN",
    "GARBAGE_COLLECTION_FREQUENCY",
    "MAIL_SERVER",
    "MAXIMUM_LAYER_SIZE",
    "PREFERRED_URL_SCHEME",
    "SECURITY_SCANNER_V4_ENDPOINT",
    "SERVER_HOSTNAME",
    "SUPER_USERS",
  ]);
  for (const problem of problems) assert.ok(problem.mend.length > 5, problem.key);
  assert.ok(!JSON.stringify(problems).includes("hunter2secret"));
});

const STORE = "DISTRIBUTED_STORAGE_CONFIG: {a: [LocalStorage, {storage_path: /a}]";
const COMBINATIONS: [what: string, given: Given, keys: string[]][] = [
  ["https with both files", { file: "PREFERRED_URL_SCHEME: https\n", tls: ["ssl.cert", "ssl.key"] }, []],
  ["https ended by a proxy", { file: "PREFERRED_URL_SCHEME: https\nEXTERNAL_TLS_TERMINATION: true\n" }, []],
  ["a certificate without its key", { tls: ["ssl.cert"] }, ["ssl.key"]],
  ["a key without its certificate", { tls: ["ssl.key"] }, ["ssl.cert"]],
  ["sqlite", { file: "DB_URI: sqlite:///x.db\n" }, ["DB_URI"]],
  ["an odd database", { file: "DB_URI: oracle://x\n" }, ["DB_URI"]],
  ["a password that needs %XX", { file: "DB_URI: postgresql://a:b/c@h:5432/d\n" }, ["DB_URI"]],
  ["a wrong storage id", { file: `${STORE}}\nDISTRIBUTED_STORAGE_DEFAULT_LOCATIONS: [b]\n` }, [
    "DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS",
  ]],
  ["an unknown engine", { file: `${STORE}, b: [LocalStorag, {}]}\n` }, ["DISTRIBUTED_STORAGE_CONFIG.b"]],
  ["an engine without its parameters", { file: `${STORE}, b: [S3Storage, {}]}\n` }, [
    "DISTRIBUTED_STORAGE_CONFIG.b.s3_bucket",
  ]],
  ["no location at all", { file: "DISTRIBUTED_STORAGE_CONFIG: {}\n" }, ["DISTRIBUTED_STORAGE_CONFIG"]],
  ["a malformed location", { file: "DISTRIBUTED_STORAGE_CONFIG: {a: LocalStorage}\n" }, [
    "DISTRIBUTED_STORAGE_CONFIG.a",
  ]],
  ["replication of local storage", { file: `${STORE}}\nFEATURE_STORAGE_REPLICATION: true\n` }, [
    "FEATURE_STORAGE_REPLICATION",
  ]],
  ["an OAuth page elsewhere", { file: "LOCAL_OAUTH_HANDLER: https://other.example/page\n" }, [
    "LOCAL_OAUTH_HANDLER",
  ]],
  ["an OAuth page of another name", { file: "LOCAL_OAUTH_HANDLER: /show-token\n" }, []],
  ["AppToken with passwords", { file: "AUTHENTICATION_TYPE: AppToken\n" }, ["FEATURE_DIRECT_LOGIN"]],
  ["AppToken as it should be", { file: "AUTHENTICATION_TYPE: AppToken\nFEATURE_DIRECT_LOGIN: false\n" }, []],
  ["AppToken without tokens", {
    file: "AUTHENTICATION_TYPE: AppToken\nFEATURE_DIRECT_LOGIN: false\nFEATURE_APP_SPECIFIC_TOKENS: false\n",
  }, ["FEATURE_APP_SPECIFIC_TOKENS"]],
  ["no way in", { file: "FEATURE_DIRECT_LOGIN: false\n" }, ["FEATURE_DIRECT_LOGIN"]],
  ["a provider as the only way in", {
    file: "FEATURE_DIRECT_LOGIN: false\n" +
      "CORP_LOGIN_CONFIG: {CLIENT_ID: a, CLIENT_SECRET: b, OIDC_SERVER: 'https://i/', SERVICE_NAME: C}\n",
  }, []],
  ["GitHub without its application", { file: "FEATURE_GITHUB_LOGIN: true\n" }, [
    "GITHUB_LOGIN_CONFIG.CLIENT_ID",
    "GITHUB_LOGIN_CONFIG.CLIENT_SECRET",
  ]],
  ["captchas checked in the clear", {
    file: "FEATURE_RECAPTCHA: true\nRECAPTCHA_VERIFY_URL: http://c/\n",
  }, ["RECAPTCHA_VERIFY_URL"]],
  ["invitations without accounts", {
    file: "FEATURE_USER_CREATION: false\nFEATURE_INVITE_ONLY_USER_CREATION: true\n",
  }, ["FEATURE_INVITE_ONLY_USER_CREATION"]],
  ["rotation without an archive", { file: "FEATURE_ACTION_LOG_ROTATION: true\n" }, [
    "ACTION_LOG_ARCHIVE_LOCATION",
  ]],
  ["an autoprune policy without a value", {
    file: "DEFAULT_NAMESPACE_AUTOPRUNE_POLICY: {method: creation_date}\n",
  }, [
    "DEFAULT_NAMESPACE_AUTOPRUNE_POLICY.value",
  ]],
  ["an autoprune policy", {
    file: "DEFAULT_NAMESPACE_AUTOPRUNE_POLICY: {method: creation_date, value: 4w}\n",
  }, []],
  ["a proxy that is no network", { file: "TRUSTED_PROXY_CIDR: 10.0.0.0/8, nonsense\n" }, [
    "TRUSTED_PROXY_CIDR",
  ]],
  ["an IPv6 literal without brackets", { file: "SERVER_HOSTNAME: fd00::7\n" }, ["SERVER_HOSTNAME"]],
  ["FIPS and mail in the clear", {
    file: "FEATURE_FIPS: true\nFEATURE_MAILING: true\nMAIL_SERVER: m\nMAIL_USE_TLS: false\n",
  }, ["MAIL_USE_TLS"]],
];
for (const [what, given, keys] of COMBINATIONS) {
  Deno.test(`loadConfig() with ${what}`, async () => {
    assert.deepEqual(keysOf((await load(given)).problems), keys);
  });
}

Deno.test("loadConfig() advises of captchas that nobody can solve", async () => {
  const advice = async (more: string) =>
    noticed(await load({ file: `FEATURE_MAILING: false\nFEATURE_RECAPTCHA: true\n${more}` }), "advice");
  assert.deepEqual(await advice(""), ["RECAPTCHA_SECRET_KEY", "RECAPTCHA_SITE_KEY"]);
  assert.deepEqual(await advice("RECAPTCHA_SITE_KEY: a\nRECAPTCHA_SECRET_KEY: b\n"), []);
});

Deno.test("loadConfig() explains what an IPv6 literal as the name means for podman", async () => {
  const { problems, notices } = await load({
    file: "SERVER_HOSTNAME: '[fd00::7]:8443'\nFEATURE_MAILING: false\n",
  });
  assert.deepEqual(problems, []);
  assert.ok(notices.some(({ key, message }) => key === "SERVER_HOSTNAME" && message.includes("podman")));
});

Deno.test("loadConfig() refuses a config.yaml of more than 4 MiB", async () => {
  const { problems } = await load({ file: `A: ${"x".repeat(4 * 1024 * 1024)}\n` });
  assert.deepEqual(keysOf(problems), ["config.yaml"]);
});

Deno.test("every key has a description, a kind and a default", () => {
  for (const [key, schema] of Object.entries(CONFIG_SHAPE)) {
    const meta = schema.meta();
    assert.ok((meta?.description ?? "").length > 4, key);
    assert.ok(meta?.kind, key);
    assert.ok(schema.safeParse(undefined).success, key);
  }
});

Deno.test("loadConfig() never throws, whatever a key is set to, and says nothing with a stack or an [object]", async () => {
  const values = [null, 0, -1, 1.5, "x", "", true, [], [1], [null], {}, { a: 1 }, [[]], [{}], "🦆", 1e300];
  const dataDir = await Deno.makeTempDir();
  try {
    for (const key of [...Object.keys(CONFIG_SHAPE), "CORP_LOGIN_CONFIG", "__proto__", "constructor", ""]) {
      for (const value of values) {
        const env = { QUAY_OVERRIDE_CONFIG: JSON.stringify(Object.fromEntries([[key, value]])) };
        const { problems, notices, config } = await loadConfig({ dataDir, env });
        assert.ok(config.SERVER_HOSTNAME !== undefined);
        for (const { message, mend } of problems) {
          assert.ok(!/\[object|undefined|\n {4}at /.test(message + mend), message);
        }
        for (const { message } of notices) assert.ok(!/\[object|undefined|\n {4}at /.test(message), message);
      }
    }
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

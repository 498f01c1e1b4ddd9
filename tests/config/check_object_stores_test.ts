/** What `quaylet check` says of an object store that does not do what it should. */
import assert from "node:assert/strict";
import { checkObjectStores } from "../../src/cli/check_object_stores.ts";
import { loadConfig } from "../../src/config/load.ts";
import { quaylet } from "../cli/quaylet.ts";
import { test } from "../skip.ts";
import { type Fault, type FaultProxy, startFaultProxy } from "../storage/fault_proxy.ts";
import { ACCESS_KEY, freshBucket, rgw, RGW_NEEDS, SECRET_KEY } from "../storage/rgw.ts";

const refuse = (status: number, code: string, headers?: string): Fault => ({
  kind: "answer",
  status,
  code,
  ...(headers !== undefined && { headers }),
});
const halfAnHourAgo = () => `Date: ${new Date(Date.now() - 30 * 60_000).toUTCString()}\r\n`;

interface Case {
  readonly name: string;
  readonly parameters?: Record<string, unknown>;
  readonly plan?: (request: { method: string; target: string }) => Fault | undefined;
  readonly prepare?: (proxy: FaultProxy) => void;
  /** Past the proxy. */
  readonly direct?: boolean;
  readonly says: RegExp;
}

const CASES: readonly Case[] = [
  {
    name: "a wrong access key",
    parameters: { access_key: "NOBODY" },
    says: /access key; correct it|wrong keys/,
  },
  {
    name: "a wrong secret key",
    parameters: { secret_key: "not-the-secret" },
    says: /secret key does not belong to the access key|wrong keys/,
  },
  {
    name: "a bucket that is not there",
    parameters: { bucket_name: "nothing-here" },
    says: /no bucket nothing-here/,
  },
  {
    name: "rights that are missing",
    plan: () => refuse(403, "AccessDenied"),
    says: /denies access to bucket/,
  },
  {
    name: "a clock that is off",
    plan: () => refuse(403, "RequestTimeTooSkewed", halfAnHourAgo()),
    says: /clock is 30 minutes ahead of the store's; set the clock/,
  },
  {
    name: "a store that asks to be used more slowly",
    plan: () => refuse(503, "SlowDown"),
    says: /more slowly \(503 SlowDown\)/,
  },
  { name: "a full store", plan: () => refuse(403, "QuotaExceeded"), says: /quota at .* is used up/ },
  {
    name: "a reset in the middle of a request",
    plan: () => ({ kind: "reset", afterBytes: 1 }),
    says: /broke .* off/,
  },
  {
    name: "answers that are cut off",
    plan: ({ method }) => method === "GET" ? { kind: "truncate", afterBytes: 900 } : undefined,
    says: /answers of .* end too early|broke the connection off/,
  },
  { name: "a store that hangs", plan: () => ({ kind: "hang" }), says: /does not answer in time/ },
  { name: "nobody who listens", prepare: (proxy) => proxy.close(), says: /refuses connections/ },
  {
    name: "TLS where there is none",
    parameters: { is_secure: true },
    direct: true,
    says: /does not speak TLS: set is_secure: false/,
  },
];

async function configOf(proxy: FaultProxy, parameters: Record<string, unknown>) {
  const { bucket } = await freshBucket();
  return {
    SERVER_HOSTNAME: "registry.example",
    FEATURE_MAILING: false,
    DISTRIBUTED_STORAGE_CONFIG: {
      ceph: ["RadosGWStorage", {
        hostname: "127.0.0.1",
        port: Number(proxy.url.port),
        is_secure: false,
        access_key: ACCESS_KEY,
        secret_key: SECRET_KEY,
        bucket_name: bucket,
        storage_path: "/registry",
        ...parameters,
      }],
    },
  };
}

async function withConfig(config: object, fn: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${dir}/config.yaml`, JSON.stringify(config));
    await fn(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

for (const { name, parameters = {}, plan, prepare, direct, says } of CASES) {
  test({
    name: `quaylet check: an object store with ${name}: said in words, without secrets`,
    needs: RGW_NEEDS,
    async fn() {
      const proxy = startFaultProxy((await rgw()).port);
      try {
        if (plan !== undefined) proxy.plan = plan;
        await withConfig(
          await configOf(proxy, { ...parameters, ...(direct && { port: (await rgw()).port }) }),
          async (dir) => {
            const { config } = await loadConfig({ configDir: dir, dataDir: `${dir}/data`, env: {} });
            prepare?.(proxy);
            const [finding] = await checkObjectStores(dir, config);
            assert.equal(finding?.level, "problem", JSON.stringify(finding));
            assert.match(finding.message, says);
            assert.equal(finding.key, "DISTRIBUTED_STORAGE_CONFIG.ceph");
            assert.doesNotMatch(JSON.stringify(finding), /quaylet-test-secret|not-the-secret/);
          },
        );
      } finally {
        proxy.close();
      }
    },
  });
}

test({
  name: "quaylet check: a Ceph RGW that works, and nothing is left in it; one that is not there: exit code 1",
  needs: RGW_NEEDS,
  async fn() {
    const proxy = startFaultProxy((await rgw()).port);
    try {
      await withConfig(await configOf(proxy, {}), async (dir) => {
        const check = async () => {
          const { code, stdout } = await quaylet([
            "check",
            "--json",
            "--config",
            dir,
            "--data",
            `${dir}/data`,
          ]);
          const { findings } = JSON.parse(stdout) as { findings: { key?: string; level: string }[] };
          return {
            code,
            level: findings.find(({ key }) => key === "DISTRIBUTED_STORAGE_CONFIG.ceph")?.level,
          };
        };
        assert.equal((await check()).level, "ok");
        assert.ok(proxy.requests.some(({ method }) => method === "DELETE"));
        proxy.close();
        assert.deepEqual(await check(), { code: 1, level: "problem" });
      });
    } finally {
      proxy.close();
    }
  },
});

const UNAVAILABLE: readonly [engine: string, parameters: Record<string, string>, mend: RegExp][] = [
  ["SwiftStorage", { swift_container: "c", auth_url: "https://keystone.example" }, /no SDK.*S3 API/],
  ["CloudFlareStorage", { s3_bucket: "b" }, /Use one of .*RadosGWStorage/],
];

for (const [engine, parameters, mend] of UNAVAILABLE) {
  Deno.test(`quaylet check, quaylet serve: ${engine} stops the start, and what to use is said`, () => {
    const config = {
      SERVER_HOSTNAME: "registry.example",
      FEATURE_MAILING: false,
      DISTRIBUTED_STORAGE_CONFIG: { other: [engine, parameters] },
    };
    return withConfig(config, async (dir) => {
      const { problems } = await loadConfig({ configDir: dir, dataDir: `${dir}/data`, env: {} });
      const [problem] = problems;
      assert.equal(problem?.key, "DISTRIBUTED_STORAGE_CONFIG.other");
      assert.match(problem.message, new RegExp(`${engine}, which is not available`));
      assert.match(problem.mend, mend);
      const serve = ["serve", "--config", dir, "--data", `${dir}/data`, "--http", "127.0.0.1:0"];
      const { code, stdout } = await quaylet([...serve, "--metrics", "127.0.0.1:0"]);
      assert.equal(code, 1);
      assert.match(stdout, new RegExp(`${engine}, which is not available`));
    });
  });
}

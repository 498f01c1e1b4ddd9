import assert from "node:assert/strict";
import { checkObjectStores } from "../../src/cli/check_object_stores.ts";
import { configSchema } from "../../src/config/schema.ts";
import { createAzureDriver } from "../../src/drivers/storage/azure/azure.ts";
import { readAzureSettings } from "../../src/drivers/storage/azure/settings.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { withRegistry } from "../blobs/registry.ts";
import { test } from "../skip.ts";
import { AZURITE_NEEDS, freshContainer, sasToken } from "./azurite.ts";
import { readAll, storageDriverSuite } from "./driver_suite.ts";
import { startFaultProxy } from "./fault_proxy.ts";
import { silentEvents } from "./rgw.ts";

async function openFresh(overrides: Record<string, unknown> = {}) {
  const settings = readAzureSettings(await freshContainer(overrides));
  return createAzureDriver({ settings, authorities: [], events: silentEvents });
}

storageDriverSuite("Azure (Azurite), account key", async () => {
  const driver = await openFresh();
  return { driver, [Symbol.asyncDispose]: () => driver.close() };
}, { needs: AZURITE_NEEDS });

storageDriverSuite("Azure (Azurite), SAS token, no storage_path", async () => {
  const driver = await openFresh({
    azure_account_key: undefined,
    sas_token: `?${sasToken()}`,
    storage_path: undefined,
  });
  return { driver, [Symbol.asyncDispose]: () => driver.close() };
}, {
  needs: AZURITE_NEEDS,
  only: /^(list|move|discard|probe|read\(\) of ranges|append\(\) in turns|remove)/,
});

const KEY = `sha256/ab/ab${"0".repeat(62)}`;
const data = new Uint8Array((13 << 20) + 7).map((_, i) => (i * 31 + (i >> 12)) & 255);
async function* pieces() {
  for (let at = 0; at < data.length; at += 1 << 20) {
    yield await Promise.resolve(data.subarray(at, at + (1 << 20)));
  }
}

test({
  name:
    "Azure: a blob of several blocks, whole and by ranges; the address that is made reads it, and nothing else",
  needs: AZURITE_NEEDS,
  async fn() {
    const driver = await openFresh();
    try {
      await driver.write(KEY, pieces());
      assert.deepEqual(await readAll(await driver.read(KEY)), data);
      assert.deepEqual(
        await readAll(await driver.read(KEY, 5 << 20, 1000)),
        data.slice(5 << 20, (5 << 20) + 1000),
      );
      const address = await driver.presign!(KEY, { seconds: 60 });
      const part = await fetch(address!, { headers: { range: "bytes=10-19" } });
      assert.equal(part.status, 206);
      assert.deepEqual(new Uint8Array(await part.arrayBuffer()), data.slice(10, 20));
      const other = await fetch(address!.href.replace(/ab0/, "ab1"));
      assert.equal(other.status, 403, await other.text());
    } finally {
      await driver.close();
    }
  },
});

test({
  name: "Azure: 503, resets and answers that break off are tried again, and every byte arrives",
  needs: AZURITE_NEEDS,
  async fn() {
    const parameters = await freshContainer();
    const address = new URL(String(parameters.endpoint_url));
    const proxy = startFaultProxy(Number(address.port));
    const settings = readAzureSettings({ ...parameters, endpoint_url: `${proxy.url.href}devstoreaccount1` });
    const driver = createAzureDriver({ settings, authorities: [], events: silentEvents });
    try {
      const left = { busy: 2, reset: 1, cut: 1 };
      proxy.plan = ({ method, target }) => {
        if (method === "PUT" && /comp=block&/.test(target) && left.busy-- > 0) {
          return { kind: "answer", status: 503, code: "ServerBusy" };
        }
        if (method === "PUT" && /comp=blocklist/.test(target) && left.reset-- > 0) {
          return { kind: "reset", afterBytes: 1 };
        }
        if (method === "GET" && left.cut-- > 0) return { kind: "truncate", afterBytes: 4 << 20 };
      };
      await driver.write(KEY, pieces());
      assert.deepEqual(await readAll(await driver.read(KEY)), data);
      assert.ok(left.busy < 0 && left.reset < 0 && left.cut < 0, JSON.stringify(left));
      proxy.close();
      await assert.rejects(() => driver.stat(KEY), /storage cannot be used now/);
    } finally {
      await driver.close();
      proxy.close();
    }
  },
});

test({
  name: "Azure: a registry pushes in turns and whole, and serves what was pushed",
  needs: AZURITE_NEEDS,
  async fn() {
    const driver = await openFresh();
    const digest = digestOf(data);
    try {
      await withRegistry(
        async ({ call, files }) => {
          const location = (await call("POST", "/v2/acme/app/blobs/uploads/")).headers.get("location")!;
          for (const chunk of [data.slice(0, 6_000_001), data.slice(6_000_001)]) {
            assert.equal((await call("PATCH", location, { body: chunk })).status, 202);
          }
          assert.equal((await call("PUT", `${location}?digest=${digest}`)).status, 201);
          assert.deepEqual(await files(), [`sha256/${digest.slice(7, 9)}/${digest.slice(7)}`]);
          const got = await call("GET", `/v2/acme/app/blobs/${digest}`);
          assert.deepEqual(new Uint8Array(await got.arrayBuffer()), data);
        },
        () => driver,
        { FEATURE_PROXY_STORAGE: true },
      );
    } finally {
      await driver.close();
    }
  },
});

const WRONG: readonly [name: string, parameters: Record<string, unknown>, says: RegExp][] = [
  [
    "a wrong key",
    { azure_account_key: btoa("not the key") },
    /account key or the SAS token is wrong|denies access/,
  ],
  ["a missing container", { azure_container: "nothing-here" }, /no container nothing-here/],
  ["a key that is none", { azure_account_key: "(" }, /azure_account_key is no key/],
  ["neither key nor token", { azure_account_key: "" }, /azure_account_key or sas_token is required/],
];

for (const [name, parameters, says] of WRONG) {
  test({
    name: `quaylet check: AzureStorage with ${name}: said in words`,
    needs: AZURITE_NEEDS,
    async fn() {
      const config = configSchema.parse({
        DISTRIBUTED_STORAGE_CONFIG: {
          azure: ["AzureStorage", await freshContainer(parameters)],
        },
      });
      const [finding] = await checkObjectStores(undefined, config);
      assert.equal(finding?.level, "problem");
      assert.match(finding.message, says);
    },
  });
}

import assert from "node:assert/strict";
import { reasonOf } from "../../src/domain/content/blob_reading.ts";
import { copyObject } from "../../src/drivers/storage/s3/multipart.ts";
import { createTransport } from "../../src/drivers/storage/transport.ts";
import type { S3Settings } from "../../src/drivers/storage/s3/settings.ts";
import { test } from "../skip.ts";
import { readAll, storageDriverSuite } from "./driver_suite.ts";
import {
  ACCESS_KEY,
  clientOf,
  DNS_NAME,
  driverOf,
  freshBucket,
  rgw,
  RGW_NEEDS,
  ROLE_ARN,
  SECRET_KEY,
} from "./rgw.ts";

/** Ways to the same store; the odd ones with the cases that they can make a difference to. */
const WAYS: readonly [name: string, () => Promise<Partial<S3Settings>>, only?: RegExp][] = [
  ["RGW, path style, IPv4", () => Promise.resolve({})],
  ["RGW, path style, IPv6, keys lent by STS", async () => ({
    endpoint: new URL(`http://[::1]:${(await rgw()).port}`),
    credentials: {
      kind: "assume_role",
      endpoint: new URL(`http://[::1]:${(await rgw()).port}`),
      region: "us-east-1",
      roleArn: ROLE_ARN,
      accessKey: ACCESS_KEY,
      secretKey: SECRET_KEY,
    },
  })],
  ["RGW, bucket in the host's name, no storage_path", async () => ({
    endpoint: new URL(`http://${DNS_NAME}:${(await rgw()).port}`),
    pathStyle: false,
    prefix: "",
  }), /^(list|move|discard|probe|read\(\) of ranges|append\(\) in turns)/],
  [
    "RGW, objects encrypted by the store",
    () => Promise.resolve({ encryption: { "x-amz-server-side-encryption": "AES256" } }),
    /^probe/,
  ],
];

for (const [name, overrides, only] of WAYS) {
  storageDriverSuite(name, async () => {
    const driver = driverOf(await freshBucket(await overrides()));
    return { driver, [Symbol.asyncDispose]: () => driver.close() };
  }, { needs: RGW_NEEDS, ...(only && { only }) });
}

test({
  name:
    "RGW over TLS with an authority of its own, IPv4 and IPv6: trusted when it is named, refused in words when not",
  needs: RGW_NEEDS,
  async fn() {
    const { port, authority } = await rgw();
    for (const host of ["127.0.0.1", "[::1]"]) {
      const settings = await freshBucket({ endpoint: new URL(`https://${host}:${port + 1}`) });
      const trusting = driverOf(settings, { authorities: [authority] });
      await trusting.probe().finally(() => trusting.close());
      const other = driverOf(settings);
      await assert.rejects(
        () => other.probe().finally(() => other.close()),
        (error) => /certificate of .* is not trusted.*extra_ca_certs/.test(reasonOf(error)),
      );
    }
  },
});

test({
  name: "copyObject() of more than one request may copy: by parts inside the store, and every byte is there",
  needs: RGW_NEEDS,
  async fn() {
    const settings = await freshBucket();
    const driver = driverOf(settings);
    const transport = createTransport([]);
    const client = clientOf(settings, transport);
    const counted = { started: 0, completed: 0 };
    const events = { started: () => void counted.started++, completed: () => void counted.completed++ };
    const MIB = 1 << 20;
    const data = new Uint8Array(17 * MIB + 3).map((_, i) => (i * 31 + (i >> 12)) & 255);
    try {
      await driver.write(
        "uploads/large",
        (async function* () {
          yield await Promise.resolve(data);
        })(),
      );
      const copy = { from: "uploads/large", to: "sha256/copy", sizeBytes: data.length };
      await copyObject(client, copy, events, { wholeBytes: 16 * MIB, partBytes: 5 * MIB });
      assert.deepEqual(counted, { started: 1, completed: 1 });
      assert.deepEqual(await readAll(await driver.read("sha256/copy")), data);
      await copyObject(client, copy, events, { wholeBytes: 18 * MIB, partBytes: 5 * MIB });
      assert.equal(counted.started, 1, "in one request");
      // A source that is gone in the middle leaves nothing behind.
      const gone = { ...copy, from: "uploads/gone", to: "sha256/other" };
      await assert.rejects(() => copyObject(client, gone, events, { wholeBytes: 1, partBytes: 5 * MIB }));
      assert.equal(await driver.stat("sha256/other"), undefined);
      assert.deepEqual(await Array.fromAsync(driver.listUnfinished!()), []);
    } finally {
      await driver.close();
      await transport.close();
    }
  },
});

import type { S3Settings } from "../../src/drivers/storage/s3/settings.ts";
import { storageDriverSuite } from "./driver_suite.ts";
import { ACCESS_KEY, DNS_NAME, driverOf, freshBucket, rgw, RGW_NEEDS, ROLE_ARN, SECRET_KEY } from "./rgw.ts";

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

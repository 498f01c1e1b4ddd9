import { expect } from "@std/testing";
import { readS3Settings } from "./settings.ts";

const KEYS = { access_key: "a", secret_key: "s", bucket_name: "images" };
const AMAZON = { s3_access_key: "a", s3_secret_key: "s", s3_bucket: "images" };

const ENDPOINTS: readonly [
  engine: string,
  parameters: Record<string, unknown>,
  endpoint: string,
  pathStyle: boolean,
][] = [
  ["RadosGWStorage", { ...KEYS, hostname: "rgw.example" }, "https://rgw.example/", true],
  [
    "RadosGWStorage",
    { ...KEYS, hostname: "rgw.example", is_secure: false, port: 7480 },
    "http://rgw.example:7480/",
    true,
  ],
  ["RadosGWStorage", { ...KEYS, hostname: "fd00::7", port: "8443" }, "https://[fd00::7]:8443/", true],
  ["RHOCSStorage", { ...KEYS, hostname: "[fd00::7]" }, "https://[fd00::7]/", true],
  [
    "RadosGWStorage",
    { ...KEYS, hostname: "rgw.example", addressing_style: "virtual" },
    "https://rgw.example/",
    false,
  ],
  [
    "IBMCloudStorage",
    { ...KEYS, hostname: "s3.eu-de.cloud.ibm.com" },
    "https://s3.eu-de.cloud.ibm.com/",
    true,
  ],
  ["GoogleCloudStorage", KEYS, "https://storage.googleapis.com/", true],
  ["S3Storage", { ...AMAZON, s3_region: "eu-west-1" }, "https://s3.eu-west-1.amazonaws.com/", false],
  ["S3Storage", { ...AMAZON, s3_bucket: "with.dots" }, "https://s3.us-east-1.amazonaws.com/", true],
  ["S3Storage", { ...AMAZON, host: "minio.example", port: 9000 }, "https://minio.example:9000/", true],
  ["S3Storage", { ...AMAZON, endpoint_url: "http://[::1]:9000" }, "http://[::1]:9000/", true],
];

for (const [engine, parameters, endpoint, pathStyle] of ENDPOINTS) {
  Deno.test(`readS3Settings(): ${engine} at ${endpoint}`, () => {
    const settings = readS3Settings(engine, parameters);
    expect(settings.endpoint.href).toBe(endpoint);
    expect(settings.pathStyle).toBe(pathStyle);
    expect(settings.bucket).toBe(String(parameters.bucket_name ?? parameters.s3_bucket));
  });
}

Deno.test("readS3Settings(): storage_path without slashes at its ends", () => {
  for (const path of ["/datastorage/registry", "datastorage/registry/", "/datastorage/registry/"]) {
    expect(readS3Settings("GoogleCloudStorage", { ...KEYS, storage_path: path }).prefix).toBe(
      "datastorage/registry",
    );
  }
});

Deno.test("readS3Settings(): parts of 5 MiB, within what the site allows and S3 can", () => {
  const sizeOf = (more: Record<string, unknown>) =>
    readS3Settings("RadosGWStorage", { ...KEYS, hostname: "h", ...more }).partBytes / (1 << 20);
  expect(sizeOf({})).toBe(5);
  expect(sizeOf({ maximum_chunk_size_mb: 6 })).toBe(5);
  expect(sizeOf({ maximum_chunk_size_mb: 1 })).toBe(5);
  expect(sizeOf({ maximum_chunk_size_mb: 100 })).toBe(5);
  expect(sizeOf({ minimum_chunk_size_mb: 32 })).toBe(32);
});

Deno.test("readS3Settings(): keys of its own, of a role, of the machine", () => {
  expect(readS3Settings("S3Storage", { s3_bucket: "b" }).credentials).toEqual({ kind: "machine" });
  const role = { s3_bucket: "b", sts_role_arn: "arn:aws:iam::1:role/r", endpoint_url: "https://rgw.example" };
  expect(
    readS3Settings("STSS3Storage", { ...role, sts_user_access_key: "a", sts_user_secret_key: "s" })
      .credentials,
  ).toMatchObject({ kind: "assume_role", roleArn: "arn:aws:iam::1:role/r", accessKey: "a" });
  expect(readS3Settings("STSS3Storage", { ...role, sts_web_identity_token_file: "/t" }).credentials)
    .toMatchObject({ kind: "web_identity", tokenFile: "/t" });
});

Deno.test("readS3Settings(): encrypts at Amazon, elsewhere when asked to", () => {
  expect(readS3Settings("S3Storage", AMAZON).encryption).toEqual({
    "x-amz-server-side-encryption": "AES256",
  });
  const rgw = { ...KEYS, hostname: "h" };
  expect(readS3Settings("RadosGWStorage", rgw).encryption).toEqual({});
  expect(
    readS3Settings("RadosGWStorage", { ...rgw, server_side_encryption: "aws:kms", sse_kms_key_id: "k" })
      .encryption,
  ).toEqual({
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "k",
  });
});

const BAD: readonly [name: string, parameters: Record<string, unknown>, pattern: RegExp][] = [
  ["a scheme in the host", { hostname: "https://rgw.example" }, /hostname.*without scheme/],
  ["a host with a path", { hostname: "rgw.example/x" }, /hostname/],
  ["a port that is none", { hostname: "h", port: 0 }, /port/],
  ["half a pair of keys", { hostname: "h", secret_key: "" }, /access_key and secret_key belong together/],
  ["an unknown style", { hostname: "h", addressing_style: "dns" }, /addressing_style/],
  ["an unknown encryption", { hostname: "h", server_side_encryption: "rot13" }, /server_side_encryption/],
  ["a size that is none", { hostname: "h", maximum_chunk_size_mb: "many" }, /maximum_chunk_size_mb/],
  ["an object for text", { hostname: {} }, /hostname must be text/],
];

for (const [name, parameters, pattern] of BAD) {
  Deno.test(`readS3Settings() refuses ${name}, in words without the value`, () => {
    expect(() => readS3Settings("RadosGWStorage", { ...KEYS, ...parameters })).toThrow(pattern);
  });
}

/**
 * A real Ceph RADOS Gateway for tests: one a process, started by the first who asks, gone with the process. Tests name what
 * it needs with {@link RGW_NEEDS}.
 */
import { issueServerCertificate, makeAuthority } from "../../src/config/certificates.ts";
import type { S3Settings } from "../../src/drivers/storage/s3/settings.ts";
import { createS3Driver, type S3Driver, type S3Options } from "../../src/drivers/storage/s3/s3.ts";
import { S3Client } from "../../src/drivers/storage/s3/client.ts";
import { CredentialStore } from "../../src/drivers/storage/s3/credentials.ts";
import { createTransport, type Transport } from "../../src/drivers/storage/transport.ts";

export const RGW_NEEDS = ["radosgw", "ceph-mon", "ceph-osd", "ceph", "setsid", "ipv6"];
const TOOL = new URL("../tools/ceph_rgw", import.meta.url).pathname;
export const ACCESS_KEY = "QUAYLETTESTKEY000001";
export const SECRET_KEY = "quaylet-test-secret-0000000000000000000";
export const ROLE_ARN = "arn:aws:iam:::role/quaylet-role";
/** Subdomains of it are buckets. Nobody resolves it but {@link driverOf}. */
export const DNS_NAME = "rgw.test";

export interface Rgw {
  /** Plain HTTP; TLS is on the next one. */
  readonly port: number;
  readonly dir: string;
  /** PEM of the authority that signed its certificate. */
  readonly authority: string;
}

let running: Promise<Rgw> | undefined;

export function rgw(): Promise<Rgw> {
  return running ??= startRgw();
}

/** One of one's own, for tests that end it. @param env of the tool's `start` */
export async function startRgw(
  env: Readonly<Record<string, string>> = {},
): Promise<Rgw & { stop(): void }> {
  const dir = await Deno.makeTempDir({ prefix: "quaylet-rgw-" });
  const stop = () => {
    new Deno.Command(TOOL, { args: ["stop", dir] }).outputSync();
    new Deno.Command("rm", { args: ["-rf", dir] }).outputSync();
  };
  globalThis.addEventListener("unload", stop);
  const authority = await makeAuthority("RGW's authority", Date.now());
  const { cert, key } = await issueServerCertificate(
    authority,
    ["localhost", "127.0.0.1", "::1"],
    Date.now(),
  );
  await Deno.writeTextFile(`${dir}/tls.pem`, cert + key);
  for (let attempt = 1;; attempt++) {
    const port = await freePorts();
    const { success } = await new Deno.Command(TOOL, {
      args: ["start", dir, String(port)],
      env: { RGW_DNS_NAME: DNS_NAME, ...env },
      stdout: "null",
      // A pipe would stay open as long as the daemons.
      stderr: "null",
    }).output();
    if (success) return { port, dir, authority: authority.cert, stop };
    new Deno.Command(TOOL, { args: ["stop", dir] }).outputSync();
    if (attempt === 3) throw new Error(`no Ceph RGW: see ${dir}`);
  }
}

/** The first of ten ports in a row that nobody listens on, below those that the system gives out by itself. */
async function freePorts(): Promise<number> {
  while (true) {
    const first = 20_000 + 10 * Math.floor(Math.random() * 1200);
    const listeners: Deno.Listener[] = [];
    try {
      for (let port = first; port < first + 10; port++) {
        for (const hostname of ["127.0.0.1", "::1"]) listeners.push(Deno.listen({ hostname, port }));
      }
      return await Promise.resolve(first);
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    } finally {
      for (const listener of listeners) listener.close();
    }
  }
}

/** Settings of a bucket behind a port of the loopback. */
export function settingsAt(port: number): S3Settings {
  return {
    endpoint: new URL(`http://127.0.0.1:${port}`),
    bucket: `test-${crypto.randomUUID()}`,
    pathStyle: true,
    region: "us-east-1",
    prefix: "datastorage/registry",
    credentials: { kind: "fixed", accessKey: ACCESS_KEY, secretKey: SECRET_KEY },
    partBytes: 8 << 20,
    encryption: {},
    cloudFront: undefined,
  };
}

export function clientOf(settings: S3Settings, transport: Transport): S3Client {
  const credentials = new CredentialStore(settings.credentials, transport, Date.now);
  return new S3Client(settings, transport, credentials, Date.now);
}

/** Settings of a fresh bucket. */
export async function freshBucket(overrides: Partial<S3Settings> = {}): Promise<S3Settings> {
  const { port } = await rgw();
  const settings = { ...settingsAt(port), ...overrides };
  await createBucket(settings);
  return settings;
}

export async function createBucket(settings: S3Settings): Promise<void> {
  const { port } = await rgw();
  const transport = createTransport([]);
  const plain: S3Settings = {
    ...settings,
    endpoint: new URL(`http://127.0.0.1:${port}`),
    pathStyle: true,
    credentials: { kind: "fixed", accessKey: ACCESS_KEY, secretKey: SECRET_KEY },
  };
  const client = clientOf(plain, transport);
  try {
    await (await client.send({ method: "PUT" })).body.dump();
  } finally {
    await transport.close();
  }
}

export const silentEvents = { started() {}, completed() {} };

/** Every name leads to the loopback. */
export function driverOf(settings: S3Settings, options: Partial<S3Options> = {}): S3Driver {
  return createS3Driver({
    settings,
    authorities: [],
    events: silentEvents,
    lookup: (_name, { all }, done) =>
      all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4),
    ...options,
  });
}

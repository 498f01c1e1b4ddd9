import assert from "node:assert/strict";
import { CredentialStore } from "../../src/drivers/storage/s3/credentials.ts";
import { createTransport } from "../../src/drivers/storage/s3/transport.ts";
import { rejectsWith } from "./driver_suite.ts";

interface Sts {
  readonly endpoint: URL;
  readonly asked: URLSearchParams[];
  isBroken: boolean;
}

/** Lends numbered keys for an hour of the clock that it is given. */
async function withSts(now: () => number, fn: (sts: Sts) => Promise<void>): Promise<void> {
  const asked: URLSearchParams[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    asked.push(new URLSearchParams(await request.text()));
    if (sts.isBroken) return new Response("<Error><Code>AccessDenied</Code></Error>", { status: 403 });
    return new Response(`<AssumeRoleResponse><Credentials><AccessKeyId>key${asked.length}</AccessKeyId>
      <SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
      <Expiration>${
      new Date(now() + 3600_000).toISOString()
    }</Expiration></Credentials></AssumeRoleResponse>`);
  });
  const sts: Sts = { endpoint: new URL(`http://127.0.0.1:${server.addr.port}`), asked, isBroken: false };
  await fn(sts).finally(() => server.shutdown());
}

Deno.test("CredentialStore: a web identity's keys are renewed before they expire, the token file read each time", async () => {
  let nowMs = Date.now();
  const tokenFile = await Deno.makeTempFile();
  const transport = createTransport([]);
  try {
    await withSts(() => nowMs, async (sts) => {
      const { endpoint } = sts;
      const role = { kind: "web_identity" as const, endpoint, region: "r", roleArn: "arn:r", tokenFile };
      const store = new CredentialStore(role, transport, () => nowMs);
      await Deno.writeTextFile(tokenFile, "first\n");
      const both = await Promise.all([store.get(), store.get()]);
      assert.deepEqual(both.map(({ accessKey }) => accessKey), ["key1", "key1"]);
      assert.equal(sts.asked[0]!.get("Action"), "AssumeRoleWithWebIdentity");
      assert.equal(sts.asked[0]!.get("WebIdentityToken"), "first");
      nowMs += 40 * 60_000;
      assert.equal((await store.get()).accessKey, "key1");

      await Deno.writeTextFile(tokenFile, "second");
      nowMs += 10 * 60_000;
      sts.isBroken = true;
      assert.equal((await store.get()).accessKey, "key1", "still valid: a failed renewal is no failure");
      sts.isBroken = false;
      nowMs += 60_000;
      assert.equal((await store.get()).accessKey, "key3");
      assert.equal(sts.asked[2]!.get("WebIdentityToken"), "second");

      sts.isBroken = true;
      nowMs += 2 * 3600_000;
      await rejectsWith("storage_unavailable", () => store.get());
      await Deno.remove(tokenFile);
      const error = await store.get().then(() => undefined, (error) => error);
      assert.match(error.cause.message, /token file .* cannot be read/);
    });
  } finally {
    await transport.close();
  }
});

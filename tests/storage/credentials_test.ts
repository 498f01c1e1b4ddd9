import assert from "node:assert/strict";
import { CredentialStore } from "../../src/drivers/storage/s3/credentials.ts";
import { createTransport } from "../../src/drivers/storage/transport.ts";
import { rejectsWith } from "./driver_suite.ts";

interface Sts {
  readonly endpoint: URL;
  readonly asked: URLSearchParams[];
  /** `Authorization` of each request. */
  readonly authorizations: string[];
  isBroken: boolean;
}

/** Lends numbered keys for an hour of the clock that it is given. */
async function withSts(now: () => number, fn: (sts: Sts) => Promise<void>): Promise<void> {
  const asked: URLSearchParams[] = [];
  const authorizations: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    authorizations.push(request.headers.get("authorization") ?? "");
    asked.push(new URLSearchParams(await request.text()));
    if (sts.isBroken) return new Response("<Error><Code>AccessDenied</Code></Error>", { status: 403 });
    return new Response(`<AssumeRoleResponse><Credentials><AccessKeyId>key${asked.length}</AccessKeyId>
      <SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
      <Expiration>${
      new Date(now() + 3600_000).toISOString()
    }</Expiration></Credentials></AssumeRoleResponse>`);
  });
  const sts: Sts = {
    endpoint: new URL(`http://127.0.0.1:${server.addr.port}`),
    asked,
    authorizations,
    isBroken: false,
  };
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

Deno.test("CredentialStore: an assumed role's keys are renewed before they expire, signed with the user's own", async () => {
  let nowMs = Date.now();
  const transport = createTransport([]);
  try {
    await withSts(() => nowMs, async (sts) => {
      const { endpoint } = sts;
      const own = { accessKey: "user-key", secretKey: "user-secret" };
      const role = { kind: "assume_role" as const, endpoint, region: "r", roleArn: "arn:r", ...own };
      const store = new CredentialStore(role, transport, () => nowMs);
      assert.deepEqual(await store.get().then(({ accessKey, sessionToken }) => [accessKey, sessionToken]), [
        "key1",
        "token",
      ]);
      assert.equal(sts.asked[0]!.get("Action"), "AssumeRole");
      assert.equal(sts.asked[0]!.get("RoleArn"), "arn:r");
      assert.match(
        sts.authorizations[0]!,
        /^AWS4-HMAC-SHA256 Credential=user-key\/\d{8}\/r\/sts\/aws4_request/,
      );
      nowMs += 44 * 60_000;
      assert.equal((await store.get()).accessKey, "key1");
      nowMs += 2 * 60_000;
      assert.equal((await store.get()).accessKey, "key2", "a quarter of an hour before the hour is over");
      // The store says that they are none any more: others are asked for at once.
      store.refused();
      assert.equal((await store.get()).accessKey, "key3");
    });
  } finally {
    await transport.close();
  }
});

import assert from "node:assert/strict";
import { findBlob } from "../../src/domain/content/blobs.ts";
import { withDigestClaim } from "../../src/domain/content/digest_claim.ts";
import { pushBlob } from "../../src/domain/content/uploads.ts";
import { claimDigest, holdDigestClaim } from "../../src/drivers/database/queries/blob_claim.ts";
import { AppError } from "../../src/lib/errors.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { withRegistry } from "./registry.ts";

const digest = digestOf("content");
const body = () => ({ stream: new Response("content").body, lengthBytes: 7 });

Deno.test("withDigestClaim(): one holder at a time, and free again when the work throws", () =>
  withRegistry(async ({ deps }) => {
    let inside = 0;
    let most = 0;
    const work = (fail: boolean) =>
      withDigestClaim(deps, digest, async () => {
        most = Math.max(most, ++inside);
        await new Promise((resolve) => setTimeout(resolve, 20));
        inside--;
        if (fail) throw new Error("as asked");
      });
    const ended = await Promise.allSettled([work(false), work(true), work(false), work(true)]);
    assert.deepEqual(ended.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled", "rejected"]);
    assert.equal(most, 1);
  }));

Deno.test("withDigestClaim(): a dead holder's claim is taken over when it has expired", () =>
  withRegistry(async ({ deps, sql }) => {
    const dead = { digest, token: "of a node that is gone" };
    assert.ok(await claimDigest(sql, dead, 1));
    assert.equal(await claimDigest(sql, { digest, token: "another" }, 30), false);
    assert.ok(await withDigestClaim(deps, digest, () => Promise.resolve(true)));
    assert.equal(await holdDigestClaim(sql, dead), false);
  }));

Deno.test("pushBlob() whose claim was taken over meanwhile: shows nothing, storage_unavailable", () =>
  withRegistry(async ({ deps, ids, sql }) => {
    const { driver } = deps.storage;
    const storage = {
      name: "default",
      driver: {
        ...driver,
        move: async (from: string, to: string) => {
          await driver.move(from, to);
          await sql`update blobclaim set token = 'of another node'`;
        },
      },
    };
    await assert.rejects(
      () => pushBlob({ ...deps, storage }, ids.app, digest, body()),
      (error) => error instanceof AppError && error.code === "storage_unavailable",
    );
    assert.equal(await findBlob(deps, ids.app, digest), undefined);
    await sql`delete from blobclaim`;
    await pushBlob(deps, ids.app, digest, body());
    assert.ok(await findBlob(deps, ids.app, digest));
  }));

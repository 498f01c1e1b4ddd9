import assert from "node:assert/strict";
import { digestOf } from "../../src/oci/digest.ts";
import { startAppliance } from "../appliance.ts";
import { firstUser } from "./first_user.ts";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const EMPTY = { mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf("{}"), size: 2 };

/** `fetch` on a connection of its own: the kernel deals connections out to the threads. */
async function onNewConnection(url: string, init: RequestInit): Promise<Response> {
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  try {
    const response = await fetch(url, { ...init, client } as RequestInit);
    const body = await response.arrayBuffer();
    return new Response(response.status === 200 ? body : null, {
      status: response.status,
      headers: response.headers,
    });
  } finally {
    client.close();
  }
}

Deno.test("a tag that was moved or deleted through one HTTP thread is seen by the next request on all others", async () => {
  await using appliance = await startAppliance();
  const headers = await firstUser(appliance, "threads/app");
  const repository = `${appliance.httpUrl}/v2/threads/app`;
  const pushed = await fetch(`${repository}/blobs/uploads/?digest=${EMPTY.digest}`, {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/octet-stream" },
    body: "{}",
  });
  assert.equal(pushed.status, 201, await pushed.text());
  const tag = `${repository}/manifests/latest`;
  for (let move = 0; move < 25; move++) {
    const body = JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: EMPTY,
      layers: [EMPTY],
      annotations: { move: `${move}` },
    });
    const put = await onNewConnection(tag, {
      method: "PUT",
      headers: { ...headers, "Content-Type": MANIFEST },
      body,
    });
    assert.equal(put.status, 201);
    const seen = await Promise.all(
      Array.from({ length: 8 }, () => onNewConnection(tag, { method: "HEAD", headers })),
    );
    for (const { headers } of seen) {
      assert.equal(headers.get("docker-content-digest"), digestOf(body), `move ${move}`);
    }
  }
  // By now every thread remembers the tag.
  assert.equal((await onNewConnection(tag, { method: "DELETE", headers })).status, 202);
  const after = await Promise.all(Array.from({ length: 16 }, () => onNewConnection(tag, { headers })));
  assert.deepEqual(after.map(({ status }) => status), new Array(16).fill(404));
});

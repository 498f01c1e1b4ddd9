import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { digestOf } from "../../src/oci/digest.ts";
import { startAppliance } from "../appliance.ts";
import { firstUser } from "./first_user.ts";

const MB = 1 << 20;

Deno.test("PATCH cut off by kill -9: after the restart the upload goes on at once, from what was durable", async () => {
  const content = randomBytes(3 * MB);
  const dataDir = await Deno.makeTempDir({ prefix: "quaylet-resume-" });
  try {
    const first = await startAppliance({ dataDir });
    const headers = await firstUser(first, "resumer/a");
    const session = await fetch(`${first.httpUrl}/v2/resumer/a/blobs/uploads/`, { method: "POST", headers });
    assert.equal(session.status, 202, await session.text());
    const location = new URL(session.headers.get("location") as string, first.httpUrl).pathname;
    const whole = await fetch(first.httpUrl + location, {
      method: "PATCH",
      headers: { ...headers, "Content-Type": "application/octet-stream" },
      body: content.subarray(0, MB),
    });
    assert.equal(whole.status, 202, await whole.text());

    const sent = Promise.withResolvers<void>();
    const cut = fetch(first.httpUrl + location, {
      method: "PATCH",
      headers: { ...headers, "Content-Type": "application/octet-stream" },
      body: new ReadableStream({
        async start(controller) {
          controller.enqueue(content.subarray(MB, 2 * MB));
          await new Promise((resolve) => setTimeout(resolve, 300));
          sent.resolve();
        },
      }),
    }).then((response) => response.status, () => "cut off");
    await sent.promise;
    await first.kill();
    assert.equal(await cut, "cut off");

    await using second = await startAppliance({ dataDir });
    const status = await fetch(second.httpUrl + location, { headers });
    assert.equal(status.status, 204);
    const have = Number(/^0-(\d+)$/.exec(status.headers.get("range") ?? "")?.[1]) + 1;
    assert.equal(have, MB, "what was acknowledged");
    const rest = await fetch(second.httpUrl + location, {
      method: "PATCH",
      headers: {
        ...headers,
        "Content-Type": "application/octet-stream",
        "Content-Range": `${have}-${content.length - 1}`,
      },
      body: content.subarray(have),
    });
    assert.equal(rest.status, 202, await rest.text());
    const digest = digestOf(content);
    const done = await fetch(`${second.httpUrl}${location}?digest=${digest}`, { method: "PUT", headers });
    assert.equal(done.status, 201, await done.text());
    const read = await fetch(`${second.httpUrl}/v2/resumer/a/blobs/${digest}`, { headers });
    assert.equal(digestOf(new Uint8Array(await read.arrayBuffer())), digest);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

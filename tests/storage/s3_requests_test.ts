/** What goes over the wire to an S3 that answers as it is told: in which order, and over how many connections. */
import assert from "node:assert/strict";
import type { LookupFunction } from "node:net";
import type { S3Client } from "../../src/drivers/storage/s3/client.ts";
import { copyObject } from "../../src/drivers/storage/s3/multipart.ts";
import { streamObject } from "../../src/drivers/storage/s3/object_stream.ts";
import { headObject, putObject, removeObject } from "../../src/drivers/storage/s3/objects.ts";
import { createTransport, readText } from "../../src/drivers/storage/transport.ts";
import { pause } from "../../src/lib/pause.ts";
import { clientOf, settingsAt, silentEvents } from "./rgw.ts";

type Answer = (request: Request, url: URL) => Response | Promise<Response>;

/** An S3 that answers so; `ports`: the client's end of each connection. */
async function withS3(
  answer: Answer,
  fn: (client: S3Client, ports: ReadonlySet<number>) => Promise<void>,
): Promise<void> {
  const ports = new Set<number>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request, info) => {
    ports.add(info.remoteAddr.port);
    await request.bytes();
    return await answer(request, new URL(request.url));
  });
  const transport = createTransport([]);
  try {
    await fn(clientOf(settingsAt(server.addr.port), transport), ports);
  } finally {
    await transport.close();
    await server.shutdown();
  }
}

const refusal = (status: number, code: string) =>
  new Response(`<Error><Code>${code}</Code><Message>${"x".repeat(20_000)}</Message></Error>`, { status });

Deno.test("copyObject() by parts: when one fails no other begins, and the upload is given up after the last has ended", async () => {
  const done: string[] = [];
  const answer: Answer = async (request, url) => {
    const number = Number(url.searchParams.get("partNumber"));
    if (request.method === "POST" && url.searchParams.has("uploads")) {
      return new Response("<R><UploadId>one</UploadId></R>");
    }
    if (request.method === "DELETE") {
      done.push("given up");
      return new Response(null, { status: 204 });
    }
    if (number === 2) return refusal(400, "InvalidRequest");
    await pause(300);
    done.push(`part ${number}`);
    return new Response("<CopyPartResult><ETag>tag</ETag></CopyPartResult>");
  };
  await withS3(answer, async (client) => {
    const copy = { from: "a", to: "b", sizeBytes: 20 };
    await assert.rejects(() => copyObject(client, copy, silentEvents, { wholeBytes: 1, partBytes: 1 }));
    assert.deepEqual(done.slice(0, -1).sort(), ["part 1", "part 3", "part 4"]);
    assert.equal(done.at(-1), "given up");
  });
});

Deno.test("every answer is read or thrown away: connections are used again, whatever was answered", async () => {
  let answer: Answer = () => new Response(null);
  await withS3((request, url) => answer(request, url), async (client, ports) => {
    const put = () => putObject(client, "a", new Uint8Array(10));
    const read = async (offset = 0, length?: number) =>
      await new Response(await streamObject(client, "a", offset, length)).bytes();
    for (let round = 0; round < 20; round++) {
      answer = () => new Response(null);
      await put();
      for (
        const [status, code] of [[400, "InvalidRequest"], [403, "AccessDenied"], [
          404,
          "NoSuchBucket",
        ]] as const
      ) {
        answer = () => refusal(status, code);
        await assert.rejects(put);
        await assert.rejects(() => read());
        await assert.rejects(() => removeObject(client, "a"));
      }
      answer = () => new Response(null, { status: 404 });
      assert.equal(await headObject(client, "a"), undefined);
      answer = () => new Response(null, { headers: { "content-length": "7" } });
      assert.deepEqual(await headObject(client, "a"), { sizeBytes: 7 });
      answer = () => refusal(404, "NoSuchKey");
      await removeObject(client, "a");
      await assert.rejects(() => read());
      answer = () => refusal(416, "InvalidRange");
      assert.equal((await read(5)).length, 0);
      let tries = round === 0 ? 0 : 3;
      answer = () => ++tries < 3 ? refusal(503, "SlowDown") : new Response(null);
      await put();
      answer = () => new Response("0123456789", { headers: { "content-length": "10" } });
      assert.equal((await read()).length, 10);
      answer = () => new Response("01234", { status: 206, headers: { "content-length": "5" } });
      assert.equal((await read(0, 5)).length, 5);
    }
    // A connection is not always free again at once; one that is lost would be so in each round.
    assert.ok(ports.size < 10, `${ports.size} connections`);
  });
});

Deno.test("a host with several addresses: the next one is taken where nobody listens", async () => {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response("here"));
  for (const dead of [{ address: "::1", family: 6 }, { address: "127.0.0.2", family: 4 }]) {
    const addresses = [dead, { address: "127.0.0.1", family: 4 }];
    const lookup: LookupFunction = (_host, { all }, found) =>
      all ? found(null, addresses) : found(null, dead.address, dead.family);
    const transport = createTransport([], lookup);
    try {
      const url = new URL(`http://store.example:${server.addr.port}/`);
      const answer = await transport.send({ method: "GET", url, headers: {}, answerMs: 5000 });
      assert.equal(await readText(answer), "here");
    } finally {
      await transport.close();
    }
  }
  await server.shutdown();
});

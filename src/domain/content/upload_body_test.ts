import { expect } from "@std/testing";
import { receiveBody } from "./upload_body.ts";
import { createUploadWorkspace } from "./upload_workspace.ts";

/** Two pieces, and whether the reader lent its own memory for them. */
function bytesOf(lent: boolean[]): ReadableStream<Uint8Array> {
  let pieces = 2;
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      const request = controller.byobRequest;
      lent.push(request !== null);
      if (pieces-- === 0) {
        controller.close();
        request?.respond(0);
      } else if (request?.view) {
        new Uint8Array(request.view.buffer, request.view.byteOffset, 3).set([1, 2, 3]);
        request.respond(3);
      } else controller.enqueue(new Uint8Array([1, 2, 3]));
    },
  });
}

for (const isChunked of [false, true]) {
  Deno.test(`receiveBody: ${isChunked ? "lets a chunked body bring its own memory" : "reads a body of known length into one memory"}`, async () => {
    const lent: boolean[] = [];
    const written: number[] = [];
    const received = await receiveBody(
      { stream: bytesOf(lent), lengthBytes: undefined, isChunked },
      {
        appender: {
          collects: true,
          write: (chunk: Uint8Array) => {
            written.push(...chunk);
            return Promise.resolve();
          },
        } as never,
        hashes: [],
        buffers: createUploadWorkspace().buffers,
        limitBytes: 100,
        idleMs: 10_000,
        signal: new AbortController().signal,
      },
    );
    expect(received).toBe(6);
    expect(written).toEqual([1, 2, 3, 1, 2, 3]);
    expect(new Set(lent)).toEqual(new Set([!isChunked]));
  });
}

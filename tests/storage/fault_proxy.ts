/**
 * A proxy in front of an S3 endpoint that breaks what it is told to. One request a connection: it asks the endpoint to close
 * after the answer, and what it passes on says so.
 */

export type Fault =
  /** This answer, in place of the endpoint's. */
  | { readonly kind: "answer"; readonly status: number; readonly code: string; readonly headers?: string }
  /** The connection is reset when so many bytes of the request's body have come. */
  | { readonly kind: "reset"; readonly afterBytes: number }
  /** The connection ends when so many bytes of the answer have gone (its head counts). */
  | { readonly kind: "truncate"; readonly afterBytes: number }
  /** The request is taken, and nothing is ever answered. */
  | { readonly kind: "hang" };

export interface ProxiedRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** From 0. */
  readonly number: number;
}

export interface FaultProxy {
  readonly url: URL;
  readonly requests: readonly ProxiedRequest[];
  /** Bytes of answers that clients took. */
  readonly answeredBytes: number;
  /** Asked about each request; may be replaced at any time. */
  plan: (request: ProxiedRequest) => Fault | undefined;
  close(): void;
}

/** @param port of the endpoint on 127.0.0.1 */
export function startFaultProxy(port: number): FaultProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const requests: ProxiedRequest[] = [];
  const open = new Set<{ close(): void }>();
  let answeredBytes = 0;
  const proxy: FaultProxy = {
    url: new URL(`http://127.0.0.1:${listener.addr.port}`),
    requests,
    get answeredBytes() {
      return answeredBytes;
    },
    plan: () => undefined,
    close() {
      closeQuietly(listener);
      for (const connection of open) closeQuietly(connection);
    },
  };

  async function handle(client: Deno.Conn): Promise<void> {
    const head = await readHead(client);
    if (head === undefined) return;
    const [method = "", target = ""] = head.text.split(" ", 2);
    const lengthBytes = Number(/\r\ncontent-length: *(\d+)/i.exec(head.text)?.[1] ?? 0);
    const request: ProxiedRequest = { method, target, number: requests.length };
    requests.push(request);
    const fault = proxy.plan(request);
    if (fault?.kind === "hang") return await new Promise(() => {});
    if (fault?.kind === "answer") {
      for (let left = lengthBytes - head.rest.length; left > 0;) {
        left -= (await readSome(client))?.length ?? left;
      }
      const body = `<Error><Code>${fault.code}</Code></Error>`;
      const headers = `Content-Length: ${method === "HEAD" ? 0 : body.length}\r\nConnection: close\r\n${
        fault.headers ?? ""
      }`;
      await writeAll(
        client,
        text(`HTTP/1.1 ${fault.status} x\r\n${headers}\r\n${method === "HEAD" ? "" : body}`),
      );
      return;
    }
    const upstream = await Deno.connect({ hostname: "127.0.0.1", port });
    open.add(upstream);
    try {
      await writeAll(upstream, text(head.text.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")));
      let sentBytes = 0;
      for (let bytes: Uint8Array | undefined = head.rest; bytes && sentBytes < lengthBytes;) {
        if (bytes.length > 0) await writeAll(upstream, bytes);
        sentBytes += bytes.length;
        if (fault?.kind === "reset" && sentBytes >= fault.afterBytes) return;
        bytes = sentBytes < lengthBytes ? await readSome(client) : undefined;
      }
      let answered = 0;
      for (let bytes = await readSome(upstream); bytes; bytes = await readSome(upstream)) {
        const left = fault?.kind === "truncate" ? fault.afterBytes - answered : Infinity;
        const part = bytes.subarray(0, Math.min(left, bytes.length));
        await writeAll(client, part);
        answered += part.length;
        answeredBytes += part.length;
        if (part.length < bytes.length || answered === left) return;
      }
    } finally {
      open.delete(upstream);
      closeQuietly(upstream);
    }
  }

  (async () => {
    for await (const client of listener) {
      open.add(client);
      handle(client).catch(() => {}).finally(() => {
        open.delete(client);
        closeQuietly(client);
      });
    }
  })().catch(() => {});
  return proxy;
}

const text = (value: string) => new TextEncoder().encode(value);

function closeQuietly(connection: { close(): void }): void {
  try {
    connection.close();
  } catch {
    // closed already
  }
}

async function readSome(connection: Deno.Conn): Promise<Uint8Array | undefined> {
  const buffer = new Uint8Array(1 << 16);
  const count = await connection.read(buffer);
  return count === null ? undefined : buffer.subarray(0, count);
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
}

async function readHead(connection: Deno.Conn): Promise<{ text: string; rest: Uint8Array } | undefined> {
  let all = new Uint8Array();
  for (let bytes = await readSome(connection); bytes; bytes = await readSome(connection)) {
    const joined = new Uint8Array(all.length + bytes.length);
    joined.set(all);
    joined.set(bytes, all.length);
    all = joined;
    const read = new TextDecoder("latin1").decode(all);
    const end = read.indexOf("\r\n\r\n");
    if (end !== -1) return { text: read.slice(0, end + 4), rest: all.subarray(end + 4) };
  }
}

import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { Agent, request } from "undici";
import type { Peer } from "./peers.ts";

const CHUNK = 1 << 20;

/** Bytes that no run has seen before: one random MiB repeated, each copy with its number and a fresh start. */
export class Sample {
  readonly #block: Buffer;
  readonly digest: string;

  /** @param packs true: nearly all zeros, for a store that packs what it keeps */
  constructor(readonly sizeBytes: number, packs = false) {
    this.#block = packs ? Buffer.concat([randomBytes(64), Buffer.alloc(CHUNK - 64)]) : randomBytes(CHUNK);
    const hash = createHash("sha256");
    for (const chunk of this.chunks()) hash.update(chunk);
    this.digest = `sha256:${hash.digest("hex")}`;
  }

  *chunks(): Generator<Uint8Array> {
    for (let offset = 0; offset < this.sizeBytes; offset += CHUNK) {
      this.#block.writeUInt32LE(offset / CHUNK);
      yield Uint8Array.from(this.#block.subarray(0, Math.min(CHUNK, this.sizeBytes - offset)));
    }
  }
}

const agent = new Agent({ connections: 64, headersTimeout: 300_000, bodyTimeout: 300_000 });

/** The plainest use of the distribution API, the same for every peer. */
export class Client {
  readonly #authorization = new Map<string, Promise<string | undefined>>();

  constructor(readonly peer: Peer) {}

  authorization(repository: string): Promise<string | undefined> {
    let found = this.#authorization.get(repository);
    if (found === undefined) {
      found = this.peer.authorization(repository);
      this.#authorization.set(repository, found);
    }
    return found;
  }

  async #send(repository: string, method: "GET" | "PUT" | "POST", path: string, options: {
    headers?: Record<string, string>;
    body?: Uint8Array | AsyncIterable<Uint8Array>;
    expect: number;
  }) {
    const authorization = await this.authorization(repository);
    const answer = await request(new URL(path, this.peer.url), {
      dispatcher: agent,
      method,
      headers: { ...options.headers, ...(authorization === undefined ? {} : { authorization }) },
      body: options.body === undefined ? null : options.body as never,
    });
    if (answer.statusCode !== options.expect) {
      throw new Error(
        `${this.peer.name}: ${method} ${path}: ${answer.statusCode} ${await answer.body.text()}`,
      );
    }
    await answer.body.dump({ limit: Infinity });
    return answer.headers;
  }

  async pushBlob(repository: string, sample: Sample): Promise<void> {
    const start = await this.#send(repository, "POST", `/v2/${repository}/blobs/uploads/`, { expect: 202 });
    const location = new URL(String(start.location), this.peer.url);
    location.searchParams.set("digest", sample.digest);
    const chunks = sample.chunks();
    await this.#send(repository, "PUT", `${location.pathname}${location.search}`, {
      headers: { "content-type": "application/octet-stream", "content-length": `${sample.sizeBytes}` },
      body: (async function* () {
        yield* chunks;
      })(),
      expect: 201,
    });
  }

  async pushManifest(repository: string, reference: string, body: string): Promise<void> {
    await this.#send(repository, "PUT", `/v2/${repository}/manifests/${reference}`, {
      headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" },
      body: new TextEncoder().encode(body),
      expect: 201,
    });
  }

  /** Requests a second (and bytes a second) that `wrk` gets out of a GET in `seconds`. */
  async load(repository: string, path: string, concurrency: number, seconds: number, accept?: string) {
    const authorization = await this.authorization(repository);
    const headers = [
      ...(authorization === undefined ? [] : ["-H", `Authorization: ${authorization}`]),
      ...(accept === undefined ? [] : ["-H", `Accept: ${accept}`]),
    ];
    const { stdout } = await new Deno.Command("wrk", {
      args: [
        "-t1",
        `-c${concurrency}`,
        `-d${seconds}s`,
        "--timeout",
        "60s",
        ...headers,
        `${this.peer.url}${path}`,
      ],
    }).output();
    const text = new TextDecoder().decode(stdout);
    const failed = /Non-2xx or 3xx responses: (\d+)/.exec(text) ?? /Socket errors: (.*)/.exec(text);
    if (failed !== null) throw new Error(`${this.peer.name}: ${path}: ${failed[0]}`);
    const [, requests, duration] = /(\d+) requests in ([\d.]+)s/.exec(text) ?? [];
    return Number(requests) / Number(duration);
  }
}

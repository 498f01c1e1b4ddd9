import assert from "node:assert/strict";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import type { Appliance } from "../appliance.ts";

export const USER = { username: "faults", password: "a-long-faults-password" };
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";

/** A request that has no answer by then never gets one. */
const MOST_MS = 90_000;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** A registry client that says what it got, and fails when the connection does. Its connections are its own. */
export class Client {
  readonly #http = Deno.createHttpClient({ poolMaxIdlePerHost: 16 });

  constructor(readonly url: string, readonly repository: string, public token = "") {}

  /** Makes the first user. @returns its token for the API */
  static async initialize({ httpUrl }: Pick<Appliance, "httpUrl">): Promise<string> {
    const answer = await fetch(`${httpUrl}/api/v1/user/initialize`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...USER, email: "faults@registry.example", access_token: true }),
    });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return JSON.parse(text).access_token;
  }

  /** Gets a token for its own repository, or for `repositories`. */
  async logIn(repositories: readonly string[] = [this.repository]): Promise<this> {
    const scopes = repositories.map((name) => ["scope", `repository:${name}:pull,push`]);
    const query = new URLSearchParams([["service", "localhost:8080"], ...scopes]);
    const answer = await this.request("GET", `/v2/auth?${query}`, {
      headers: { Authorization: `Basic ${btoa(`${USER.username}:${USER.password}`)}` },
    });
    assert.equal(answer.status, 200, textOf(answer));
    this.token = JSON.parse(textOf(answer)).token;
    return this;
  }

  async request(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    const headers = new Headers(init.headers);
    if (this.token !== "" && !headers.has("authorization")) {
      headers.set("authorization", `Bearer ${this.token}`);
    }
    const url = path.startsWith("http") ? path : `${this.url}${path}`;
    const signal = AbortSignal.timeout(MOST_MS);
    const response = await fetch(
      url,
      { ...init, method, headers, signal, client: this.#http } as RequestInit,
    );
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, bytes };
  }

  /** One POST with the whole blob. */
  pushWhole(bytes: Uint8Array<ArrayBuffer>, digest: Digest = digestOf(bytes)): Promise<Answer> {
    return this.request("POST", `/v2/${this.repository}/blobs/uploads/?digest=${digest}`, { body: bytes });
  }

  async startUpload(): Promise<{ location: string; uuid: string }> {
    const answer = await this.request("POST", `/v2/${this.repository}/blobs/uploads/`);
    assert.equal(answer.status, 202, textOf(answer));
    const location = answer.headers.get("location") as string;
    return { location, uuid: location.slice(location.lastIndexOf("/") + 1) };
  }

  /** POST, PATCH for each chunk, PUT. @returns the answer that decided: the PUT's, or that of what was refused before */
  async pushChunks(bytes: Uint8Array<ArrayBuffer>, chunkBytes: number): Promise<Answer> {
    const started = await this.request("POST", `/v2/${this.repository}/blobs/uploads/`);
    if (started.status !== 202) return started;
    const location = started.headers.get("location") as string;
    for (let start = 0; start < bytes.length; start += chunkBytes) {
      const chunk = bytes.subarray(start, start + chunkBytes);
      const answer = await this.request("PATCH", location, {
        headers: { "Content-Range": `${start}-${start + chunk.length - 1}` },
        body: chunk,
      });
      if (answer.status !== 202) return answer;
    }
    return await this.request("PUT", `${location}?digest=${digestOf(bytes)}`);
  }

  putManifest(reference: string, manifest: Uint8Array<ArrayBuffer>): Promise<Answer> {
    return this.request("PUT", `/v2/${this.repository}/manifests/${reference}`, {
      headers: { "Content-Type": MANIFEST_TYPE },
      body: manifest,
    });
  }

  blob(digest: Digest): Promise<Answer> {
    return this.request("GET", `/v2/${this.repository}/blobs/${digest}`);
  }

  manifest(reference: string): Promise<Answer> {
    return this.request("GET", `/v2/${this.repository}/manifests/${reference}`);
  }

  close(): void {
    this.#http.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** An image of a config and layers, given as digest and size. */
export function manifestOf(parts: readonly { digest: Digest; size: number }[]): Uint8Array<ArrayBuffer> {
  const [config, ...layers] = parts;
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
    layers: layers.map((layer) => ({ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", ...layer })),
  };
  return new TextEncoder().encode(JSON.stringify(manifest));
}

export function textOf({ bytes }: Pick<Answer, "bytes">): string {
  return new TextDecoder().decode(bytes);
}

/** The code of the first OCI error, or the text when it is none. */
export function errorCodeOf(text: string): string {
  try {
    return JSON.parse(text).errors[0].code;
  } catch {
    return text;
  }
}

/** Resolves once `probe` is true. @throws when that takes longer than `withinMs` */
export async function eventually(
  what: string,
  withinMs: number,
  probe: () => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!await probe()) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

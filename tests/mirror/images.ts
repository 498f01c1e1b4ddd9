/** Images for parents, pushed over plain HTTP with their digests at hand. */
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media_types.ts";

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly [key: string]: unknown;
}

const LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";

/** Bytes that do not compress and do not repeat, the same for the same seed. */
export function randomBytes(size: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  let state = seed * 2654435761 >>> 0 || 1;
  for (let at = 0; at < size; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state & 255;
  }
  return bytes;
}

/** Pushes to one repository of a registry. */
export class Pusher {
  constructor(
    readonly url: string,
    readonly repository: string,
    readonly authorization?: string | undefined,
    readonly client?: Deno.HttpClient,
  ) {}

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.authorization) headers.set("authorization", this.authorization);
    const target = path.startsWith("http") ? path : `${this.url}${path}`;
    const response = await fetch(target, { ...init, headers, ...(this.client && { client: this.client }) });
    if (!response.ok) {
      throw new Error(`${init.method} ${target}: ${response.status} ${await response.text()}`);
    }
    await response.body?.cancel();
    return response;
  }

  async blob(bytes: Uint8Array<ArrayBuffer>, mediaType = LAYER): Promise<Descriptor> {
    const digest = digestOf(bytes);
    const start = await this.#fetch(`/v2/${this.repository}/blobs/uploads/`, { method: "POST" });
    const location = new URL(start.headers.get("location")!, this.url);
    location.searchParams.set("digest", digest);
    await this.#fetch(location.href, { method: "PUT", body: bytes });
    return { mediaType, digest, size: bytes.length };
  }

  async manifest(
    value: { mediaType: string; [key: string]: unknown },
    reference?: string,
  ): Promise<Descriptor> {
    const body = JSON.stringify(value);
    const digest = digestOf(body);
    await this.#fetch(`/v2/${this.repository}/manifests/${reference ?? digest}`, {
      method: "PUT",
      headers: { "content-type": value.mediaType },
      body,
    });
    return { mediaType: value.mediaType, digest, size: body.length };
  }

  /** An image of these layers; without a reference it is pushed by digest. */
  async image(
    layers: readonly (Uint8Array<ArrayBuffer> | Descriptor)[],
    options: { reference?: string; architecture?: string; more?: Record<string, unknown> } = {},
  ): Promise<Descriptor> {
    const { reference, architecture = "amd64", more = {} } = options;
    const config = new TextEncoder().encode(
      JSON.stringify({
        architecture,
        os: "linux",
        rootfs: { type: "layers", diff_ids: [] },
        n: Math.random(),
      }),
    );
    const pushed: Descriptor[] = [];
    for (const layer of layers) pushed.push(layer instanceof Uint8Array ? await this.blob(layer) : layer);
    return await this.manifest({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: await this.blob(config, OCI_CONFIG),
      layers: pushed,
      ...more,
    }, reference);
  }

  async index(children: readonly Descriptor[], reference?: string): Promise<Descriptor> {
    return await this.manifest({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: children }, reference);
  }

  async delete(reference: string): Promise<void> {
    await this.#fetch(`/v2/${this.repository}/manifests/${reference}`, { method: "DELETE" });
  }
}

/** As child of an index. */
export function on(descriptor: Descriptor, architecture: string): Descriptor {
  return { ...descriptor, platform: { os: "linux", architecture } };
}

/** A registry whose every answer a test can change: one that lies, refuses, throttles, or has no referrers API. */
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { OCI_CONFIG, OCI_MANIFEST } from "../../src/oci/media_types.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export interface FakeRegistry {
  readonly host: string;
  /** `METHOD /path` of all requests so far. */
  readonly requests: string[];
  readonly headers: Headers[];
  readonly blobs: Map<string, Bytes>;
  /** By digest and by tag. */
  readonly manifests: Map<string, { mediaType: string; bytes: Bytes }>;
  readonly tags: string[];
  /** By subject; absent: no such API. */
  referrers: Map<string, unknown[]> | undefined;
  ranges: boolean;
  /** Answers instead, when it answers. */
  instead: (request: Request, path: string) => Response | Promise<Response | undefined> | undefined;
  /** An image of these layers. */
  image(tag: string | undefined, layers: readonly Bytes[], more?: Record<string, unknown>): Digest;
  put(tag: string | undefined, value: { mediaType: string; [key: string]: unknown }): Digest;
  blob(bytes: Bytes): Digest;
  stop(): Promise<void>;
}

export function startFakeRegistry(
  options: { hostname?: string; cert?: string; key?: string } = {},
): FakeRegistry {
  const { hostname = "127.0.0.1", ...tls } = options;
  const fake = {
    requests: [] as string[],
    headers: [] as Headers[],
    blobs: new Map<string, Bytes>(),
    manifests: new Map<string, { mediaType: string; bytes: Bytes }>(),
    tags: [] as string[],
    referrers: undefined as Map<string, unknown[]> | undefined,
    ranges: true,
    instead: (() => undefined) as FakeRegistry["instead"],
  };
  const server = Deno.serve(
    { hostname, port: 0, onListen() {}, ...tls } as Deno.ServeTcpOptions,
    async (request) => {
      const path = new URL(request.url).pathname;
      fake.requests.push(`${request.method} ${path}`);
      fake.headers.push(request.headers);
      return await fake.instead(request, path) ?? answer(request, path);
    },
  );

  function answer(request: Request, path: string): Response {
    if (path === "/v2/") return Response.json({});
    if (path.endsWith("/tags/list")) return Response.json({ name: "app", tags: fake.tags });
    const [, kind, reference] = /\/(manifests|blobs|referrers)\/([^/]+)$/.exec(path) ?? [];
    if (kind === "referrers" && fake.referrers !== undefined) {
      const manifests = fake.referrers.get(reference!) ?? [];
      return Response.json({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.index.v1+json",
        manifests,
      });
    }
    if (kind === "manifests") {
      const found = fake.manifests.get(reference!);
      if (found === undefined) return new Response(null, { status: 404 });
      const digest = digestOf(found.bytes);
      if (request.headers.get("if-none-match") === `"${digest}"`) return new Response(null, { status: 304 });
      const headers = { "content-type": found.mediaType, "docker-content-digest": digest };
      return new Response(request.method === "HEAD" ? null : found.bytes, { headers });
    }
    const bytes = kind === "blobs" ? fake.blobs.get(reference!) : undefined;
    if (bytes === undefined) return new Response(null, { status: 404 });
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")?.[1] ?? 0);
    if (start === 0 || !fake.ranges) return new Response(bytes);
    const headers = { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
    return new Response(bytes.subarray(start), { status: 206, headers });
  }

  const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const methods = {
    blob(bytes: Bytes): Digest {
      const digest = digestOf(bytes);
      fake.blobs.set(digest, bytes);
      return digest;
    },
    put(tag: string | undefined, value: { mediaType: string; [key: string]: unknown }): Digest {
      const bytes = encode(value);
      const digest = digestOf(bytes);
      const entry = { mediaType: value.mediaType, bytes };
      fake.manifests.set(digest, entry);
      if (tag !== undefined) {
        fake.manifests.set(tag, entry);
        if (!fake.tags.includes(tag)) fake.tags.push(tag);
      }
      return digest;
    },
    image(tag: string | undefined, layers: readonly Bytes[], more: Record<string, unknown> = {}): Digest {
      const config = encode({ architecture: "amd64", os: "linux", tag, layers: layers.length });
      const descriptor = (mediaType: string, bytes: Bytes) => ({
        mediaType,
        digest: methods.blob(bytes),
        size: bytes.length,
      });
      return methods.put(tag, {
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: descriptor(OCI_CONFIG, config),
        layers: layers.map((layer) => descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer)),
        ...more,
      });
    },
  };
  const { port } = server.addr;
  const host = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  return Object.assign(fake, methods, { host, stop: () => server.shutdown() }) as FakeRegistry;
}

/** Starts one for the length of `fn`. */
export async function withFake(fn: (fake: FakeRegistry) => Promise<void>): Promise<void> {
  const fake = startFakeRegistry();
  try {
    await fn(fake);
  } finally {
    await fake.stop();
  }
}

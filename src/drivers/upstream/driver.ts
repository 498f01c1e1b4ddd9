/** Other registries, as mirrors and caches see them. What speaks to them is `client.ts`. */
import type { Digest } from "../../oci/digest.ts";

/** What went wrong with the other side. Each has its own words and its own place in the metrics. */
export type UpstreamFailure =
  /** The name does not resolve. */
  | "dns"
  /** No connection, or it broke off. */
  | "connection"
  | "timeout"
  /** The certificate does not stand, or the other side speaks no TLS. */
  | "tls"
  /** 401, or the token service refused. */
  | "unauthorized"
  /** 403. */
  | "forbidden"
  /** 404. */
  | "not_found"
  /** 429 for longer than is waited for. */
  | "throttled"
  /** 5xx. */
  | "unavailable"
  /** The address is one that this registry must not go to (`SSRF_ALLOWED_HOSTS`). */
  | "refused"
  /** What came is not what was asked for: wrong digest, wrong length, no JSON, too much of it. */
  | "lied";

/** `message` is for people, says what and where, and holds no secret and nothing of the answer's body. */
export class UpstreamError extends Error {
  constructor(
    readonly failure: UpstreamFailure,
    message: string,
    options: {
      readonly cause?: unknown;
      /** Whether the same request may well succeed in a moment. */
      readonly passing?: boolean;
      /** What `Retry-After` said. */
      readonly retryAfterMs?: number;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = "UpstreamError";
    this.passing = options.passing ?? false;
    this.retryAfterMs = options.retryAfterMs;
  }
  readonly passing: boolean;
  readonly retryAfterMs: number | undefined;
}

export interface UpstreamOptions {
  /** `host` or `host:port`, IPv6 in brackets. */
  readonly registry: string;
  /** The repository's path there. */
  readonly repository: string;
  readonly credentials?: { readonly username: string; readonly password: string };
  /** False: any certificate will do, and plain HTTP when the other side speaks no TLS. */
  readonly verifyTls: boolean;
  readonly proxy: {
    readonly httpProxy: string | null;
    readonly httpsProxy: string | null;
    readonly noProxy: string | null;
  };
  /** Longest time for a whole small answer (list, manifest, token). */
  readonly timeoutMs: number;
}

export interface UpstreamManifest {
  /** Of the bytes, computed here. */
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface UpstreamDescriptor {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly artifactType?: string;
}

/** Bytes of a blob on their way. Whoever opened it reads to the end or leaves the loop, which closes the connection. */
export interface UpstreamBlob {
  /** Where the bytes start: what was asked for, or 0 when the other side ignores ranges. */
  readonly startsAt: number;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/**
 * One repository of another registry. Small requests are tried again by themselves while the failure is a passing one;
 * a body that breaks off is the caller's to resume. All reject with {@link UpstreamError}, or with the signal's reason.
 */
export interface Upstream {
  /** All tag names, through all pages, as they came: names that are no tags are left out. */
  listTags(signal: AbortSignal): Promise<string[]>;
  /**
   * What a tag or digest stands for, by one request without a body; `undefined` when the other side does not tell.
   * @param known what it stood for: a registry that compares entity tags need not open the manifest then (RFC 9110 §13.1.2)
   */
  headManifest(reference: string, signal: AbortSignal, known?: Digest): Promise<Digest | undefined>;
  /** By digest: verified. */
  getManifest(reference: string, signal: AbortSignal): Promise<UpstreamManifest>;
  /** Manifests that name `subject`; `undefined` when the other side has no such API (ask for the fallback tag). */
  listReferrers(subject: Digest, signal: AbortSignal): Promise<UpstreamDescriptor[] | undefined>;
  /** Bytes from `offset` on; nothing is verified. */
  openBlob(digest: Digest, offset: number, signal: AbortSignal): Promise<UpstreamBlob>;
  /** Whether the other side lets in whoever asks; false when there are no credentials and it wants some. */
  greets(signal: AbortSignal): Promise<boolean>;
  /** Ends its connections. */
  close(): Promise<void>;
}

/** Opens no connection yet. @throws {UpstreamError} `refused` for a literal address that must not be gone to */
export type ConnectUpstream = (options: UpstreamOptions) => Promise<Upstream>;

/** Whose API tells what is in a namespace. */
export type RegistryProduct = "quay" | "harbor";

export interface NamespaceOptions extends Omit<UpstreamOptions, "repository"> {
  readonly product: RegistryProduct;
  /** Quay's organization or user, Harbor's project. */
  readonly namespace: string;
}

/**
 * A namespace of another registry. Requests are tried again by themselves while the failure is a passing one. All reject
 * with {@link UpstreamError}, or with the signal's reason.
 */
export interface UpstreamNamespace {
  /**
   * All repositories, through all pages, without the namespace: as they came, so that each is to be looked at. A list that
   * is not whole is none.
   */
  listRepositories(signal: AbortSignal): Promise<string[]>;
  /** Resolves when the list can be read: asks for its first page. */
  probe(signal: AbortSignal): Promise<void>;
  /** Ends its connections. */
  close(): Promise<void>;
}

/** Opens no connection yet. @throws {UpstreamError} for settings that cannot work */
export type ConnectNamespace = (options: NamespaceOptions) => Promise<UpstreamNamespace>;

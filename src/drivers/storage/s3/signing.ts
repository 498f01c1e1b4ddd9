import { SignatureV4 } from "@smithy/signature-v4";
import { createHash, createHmac, type Hash, type Hmac } from "node:crypto";
import type { Credentials } from "./credentials.ts";

/** What is signed: path and query as they go over the wire, percent-encoded once. */
export interface Signable {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Hex SHA-256 of the body, or `UNSIGNED-PAYLOAD`. */
  readonly payloadHash: string;
}

export const EMPTY_HASH = createHash("sha256").digest("hex");

/** AWS Signature Version 4 for one service and region. */
export class Signer {
  constructor(private readonly service: string, private readonly region: string) {}

  /** The headers to send. */
  async sign(request: Signable, credentials: Credentials, nowMs: number): Promise<Record<string, string>> {
    const signed = await this.#signer(credentials).sign(
      requestOf(request, { "x-amz-content-sha256": request.payloadHash }),
      { signingDate: new Date(nowMs) },
    );
    return signed.headers as Record<string, string>;
  }

  /** The address that does for `seconds` what the request would do. */
  async presign(
    { method, url }: Pick<Signable, "method" | "url">,
    credentials: Credentials,
    { nowMs, seconds }: { nowMs: number; seconds: number },
  ): Promise<URL> {
    const unsigned = requestOf({ method, url, headers: {}, payloadHash: "" }, {
      "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
    });
    const signed = await this.#signer(credentials).presign(unsigned, {
      signingDate: new Date(nowMs),
      expiresIn: seconds,
    });
    const result = new URL(url);
    result.search = Object.entries(signed.query ?? {}).map(([name, value]) =>
      `${encodePart(name)}=${encodePart(String(value))}`
    ).join("&");
    return result;
  }

  #signer(credentials: Credentials): SignatureV4 {
    return new SignatureV4({
      service: this.service,
      region: this.region,
      credentials: {
        accessKeyId: credentials.accessKey,
        secretAccessKey: credentials.secretKey,
        ...(credentials.sessionToken !== undefined && { sessionToken: credentials.sessionToken }),
      },
      sha256: Sha256,
      // S3 alone signs the path as it is sent.
      uriEscapePath: this.service !== "s3",
    });
  }
}

function requestOf({ method, url, headers }: Signable, more: Record<string, string>) {
  const query: Record<string, string> = {};
  for (const [name, value] of url.searchParams) query[name] = value;
  return {
    method,
    protocol: url.protocol,
    hostname: url.hostname,
    ...(url.port !== "" && { port: Number(url.port) }),
    path: url.pathname,
    query,
    headers: { ...headers, ...more, host: url.host },
  };
}

/** RFC 3986: what AWS signs differs from `encodeURIComponent` in these. */
export function encodePart(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

type Bytes = string | ArrayBuffer | ArrayBufferView;

/** `node:crypto` in the form that the signer asks for. */
class Sha256 {
  readonly #hash: Hash | Hmac;

  constructor(secret?: Bytes) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", bytesOf(secret));
  }

  update(data: Bytes): void {
    this.#hash.update(bytesOf(data));
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(this.#hash.digest()));
  }

  reset(): void {}
}

function bytesOf(data: Bytes): string | Uint8Array {
  if (typeof data === "string") return data;
  return data instanceof ArrayBuffer
    ? new Uint8Array(data)
    : new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}

import { createHash, type Hash } from "node:crypto";
import { AppError } from "../lib/errors.ts";

/** `sha256:<64 hex>` or `sha512:<128 hex>`, lower case. OCI image-spec, "Digests". */
export type Digest = string & { readonly __digest: unique symbol };
export type DigestAlgorithm = "sha256" | "sha512";

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };

/** @throws {AppError} `digest_invalid` for any other form or algorithm */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) {
    throw new AppError("digest_invalid", "a digest is sha256:<64 hex digits> or sha512:<128 hex digits>", {
      digest: text.slice(0, 200),
    });
  }
  return text;
}

export function isDigest(text: string): text is Digest {
  const colon = text.indexOf(":");
  const algorithm = text.slice(0, colon);
  if (algorithm !== "sha256" && algorithm !== "sha512") return false;
  if (text.length !== colon + 1 + HEX_LENGTH[algorithm]) return false;
  return /^[0-9a-f]+$/.test(text.slice(colon + 1));
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith("sha256:") ? "sha256" : "sha512";
}

/** Digest of bytes held in memory. */
export function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = "sha256"): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}` as Digest;
}

/** Storage key of a finished blob in Quay's layout: `sha256/<2 hex>/<hex>`. */
export function blobKey(digest: Digest): string {
  const [algorithm, hex] = digest.split(":") as [string, string];
  return `${algorithm}/${hex.slice(0, 2)}/${hex}`;
}

/** An incremental hash: `node:crypto` is seven times faster than Web Crypto here and can be copied midway. */
export function createHasher(algorithm: DigestAlgorithm): Hash {
  return createHash(algorithm);
}

import { createPrivateKey, X509Certificate } from "node:crypto";
import type { TlsPair } from "./listeners.ts";

/** `ssl.cert` and `ssl.key` of the config directory, as Quay names them. */
export interface TlsFiles {
  readonly certPath: string;
  readonly keyPath: string;
}

export function tlsFilesOf(configDir: string): TlsFiles {
  return { certPath: `${configDir}/ssl.cert`, keyPath: `${configDir}/ssl.key` };
}

/**
 * Reads and checks the pair: both parse and belong together. `undefined` when neither file is there.
 * @throws {Error} with words for the operator, never with key material
 */
export async function readTlsPair(files: TlsFiles): Promise<TlsPair | undefined> {
  const [cert, key] = await Promise.all([readIfThere(files.certPath), readIfThere(files.keyPath)]);
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined) throw new Error(`${files.certPath} is missing beside ${files.keyPath}`);
  if (key === undefined) throw new Error(`${files.keyPath} is missing beside ${files.certPath}`);
  checkPair(files, cert, key);
  return { cert, key };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new Error(`${path} cannot be read: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

function checkPair(files: TlsFiles, cert: string, key: string): void {
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(cert);
  } catch {
    throw new Error(`${files.certPath} holds no PEM certificate`);
  }
  let privateKey;
  try {
    privateKey = createPrivateKey(key);
  } catch {
    throw new Error(`${files.keyPath} holds no PEM private key without a passphrase`);
  }
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new Error(`${files.keyPath} is not the key of the certificate in ${files.certPath}`);
  }
}

/**
 * Looks at the two files every `intervalMs` and hands over each new pair that checks out. A pair that does not is
 * reported once per change, and the old one goes on serving. (Polling: a renewed certificate is often a symlink
 * swapped on another file system, which inotify does not report.)
 */
export function watchTlsPair(
  files: TlsFiles,
  current: TlsPair,
  on: { pair(pair: TlsPair): void; refused(reason: string): void },
  intervalMs = 2_000,
): { look(): Promise<void>; close(): void } {
  let served = current;
  let lastRefusal = "";
  let looking = false;
  const look = async () => {
    if (looking) return;
    looking = true;
    try {
      const pair = await readTlsPair(files);
      if (pair === undefined) throw new Error(`${files.certPath} and ${files.keyPath} are gone`);
      lastRefusal = "";
      if (pair.cert === served.cert && pair.key === served.key) return;
      on.pair(pair);
      served = pair;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (reason !== lastRefusal) on.refused(reason);
      lastRefusal = reason;
    } finally {
      looking = false;
    }
  };
  const timer = setInterval(look, intervalMs);
  return { look, close: () => clearInterval(timer) };
}

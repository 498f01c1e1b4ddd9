import type { Manifest } from "../../oci/manifest.ts";
import { DOCKER_CONFIG, OCI_CONFIG } from "../../oci/media_types.ts";
import { readBlob } from "./blob_reading.ts";
import type { Deps } from "../deps.ts";

/** Larger ones are not read. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * The image configuration's JSON; undefined for artifacts, for what is too large and for what cannot be read: labels and
 * history are an extra that nothing else may fail by.
 */
export async function readImageConfig(
  deps: Pick<Deps, "sql" | "storage" | "log">,
  { config }: Manifest,
): Promise<unknown> {
  if (config === undefined || (config.mediaType !== OCI_CONFIG && config.mediaType !== DOCKER_CONFIG)) {
    return undefined;
  }
  if (config.sizeBytes > MAX_BYTES) return undefined;
  try {
    const stream = await readBlob(deps, config, { start: 0, lengthBytes: config.sizeBytes });
    return JSON.parse(await new Response(stream).text());
  } catch (error) {
    // An image whose configuration is no JSON is somebody's business, not the registry's.
    if (!(error instanceof SyntaxError)) {
      deps.log.warn("image configuration not read", { digest: config.digest, error: String(error) });
    }
    return undefined;
  }
}

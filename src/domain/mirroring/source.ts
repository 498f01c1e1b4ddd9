import type { Upstream } from "../../drivers/upstream/driver.ts";
import type { Deps } from "../deps.ts";
import type { FailureReason, Mirror } from "./model.ts";
import { parseExternalReference } from "./external_reference.ts";

/** The mirror's own settings do not let anything be asked. */
export class SourceUnusable extends Error {
  constructor(readonly reason: FailureReason, message: string, options?: { cause?: unknown }) {
    super(message, options);
  }
}

/**
 * Opens the other registry as a mirror's settings say. The caller closes it.
 * @throws {SourceUnusable} for credentials that do not open any more; {UpstreamError}; {AppError} `invalid_request`
 */
export async function openSource(
  { secrets, upstream }: Pick<Deps, "secrets" | "upstream">,
  { source, timeoutS }: Pick<Mirror, "source" | "timeoutS">,
): Promise<Upstream> {
  const { registry, repository } = parseExternalReference(source.reference);
  const credentials = openCredentials(secrets, source);
  return await upstream({
    registry,
    repository,
    ...(credentials === undefined ? {} : { credentials }),
    verifyTls: source.verifyTls,
    proxy: source.proxy,
    timeoutMs: timeoutS * 1000,
  });
}

/** @throws {SourceUnusable} for credentials that do not open any more */
export function openCredentials(
  secrets: Deps["secrets"],
  { sealedUsername, sealedPassword }: Pick<Mirror["source"], "sealedUsername" | "sealedPassword">,
): { username: string; password: string } | undefined {
  if (sealedUsername === null) return undefined;
  try {
    const password = sealedPassword === null ? "" : secrets.decrypt(sealedPassword);
    return { username: secrets.decrypt(sealedUsername), password };
  } catch (cause) {
    throw new SourceUnusable(
      "decryption_failed",
      "the credentials of this mirror cannot be read with DATABASE_SECRET_KEY: enter them again",
      { cause },
    );
  }
}

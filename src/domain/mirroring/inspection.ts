/** Looking at mirrors without running them, for people: failures of the other side come in words. */
import { UpstreamError } from "../../drivers/upstream/driver.ts";
import { AppError } from "../../lib/errors.ts";
import type { Deps } from "../deps.ts";
import type { Mirror } from "./model.ts";
import { type MirrorFault, type MirrorPreview, previewMirror, verifyMirror } from "./preview.ts";
import { SourceUnusable } from "./source.ts";

type InspectionDeps = Pick<Deps, "sql" | "config" | "storage" | "secrets" | "upstream" | "now" | "log">;

/** {@link previewMirror}. @throws {AppError} `upstream_failed` */
export function inspectPlan(
  deps: InspectionDeps,
  mirror: Mirror,
  signal: AbortSignal,
): Promise<MirrorPreview> {
  return inWords(signal, () => previewMirror(deps, mirror, signal));
}

/** {@link verifyMirror}. @throws {AppError} `upstream_failed` */
export function inspectContent(
  deps: InspectionDeps,
  mirror: Mirror,
  options: { read: boolean; signal: AbortSignal },
): Promise<MirrorFault[]> {
  return inWords(options.signal, () => verifyMirror(deps, mirror, options));
}

async function inWords<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (signal.aborted) {
      throw new AppError("upstream_failed", "It takes too long: ask at the shell, where nobody waits", {}, {
        cause,
      });
    }
    if (cause instanceof UpstreamError || cause instanceof SourceUnusable) {
      throw new AppError("upstream_failed", cause.message, {}, { cause });
    }
    throw cause;
  }
}

/** The name that the mirror signs in with; null for none, `undefined` when it cannot be read any more. */
export function usernameOf(
  { secrets }: Pick<Deps, "secrets">,
  { source }: { source: Pick<Mirror["source"], "sealedUsername"> },
) {
  if (source.sealedUsername === null) return null;
  try {
    return secrets.decrypt(source.sealedUsername);
  } catch {
    return undefined;
  }
}

/** When a tag ends by itself. */
import { durationMs } from "../../config/duration.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { selectCommonLabel } from "../../drivers/database/queries/label.ts";
import { selectChildIds } from "../../drivers/database/queries/manifest.ts";
import type { Deps } from "../deps.ts";
import { EXPIRES_AFTER, expiresAfterMs } from "./labels.ts";

/** When a tag that points at the manifest from `nowMs` on ends by its label, or by the one that all children share. */
export async function endByLabel(tx: Sql, manifestId: number, nowMs: number): Promise<number | null> {
  const own = await selectCommonLabel(tx, [manifestId], EXPIRES_AFTER);
  const ownMs = expiresAfterMs(own.values[0]);
  if (ownMs !== undefined) return nowMs + ownMs;
  const children = await selectChildIds(tx, manifestId);
  if (children.length === 0) return null;
  const { values, carriers } = await selectCommonLabel(tx, children, EXPIRES_AFTER);
  const sharedMs = carriers === children.length && values.length === 1
    ? expiresAfterMs(values[0])
    : undefined;
  return sharedMs === undefined ? null : nowMs + sharedMs;
}

/** An end that somebody gives, at least `LABELED_EXPIRATION_MINIMUM` and at most `_MAXIMUM` after the tag's start. */
export function cutEnd({ config }: Pick<Deps, "config">, startMs: number, endMs: number): number {
  const leastMs = durationMs(config.LABELED_EXPIRATION_MINIMUM);
  const mostMs = durationMs(config.LABELED_EXPIRATION_MAXIMUM);
  return startMs + Math.min(Math.max(endMs - startMs, leastMs), mostMs);
}

/** What ends by itself is immutable only where that is allowed. */
export function mayBeImmutable({ config }: Pick<Deps, "config">, endMs: number | null): boolean {
  return endMs === null || config.FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE;
}

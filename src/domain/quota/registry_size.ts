/** How many bytes the whole registry holds: counted when a superuser asks, by whichever node takes it from the queue. */
import { insertQueueItem } from "../../drivers/database/queries/queue.ts";
import {
  lockRegistrySize,
  type RegistrySizeRow,
  selectRegistrySize,
  sumStoredBytes,
  updateRegistrySize,
} from "../../drivers/database/queries/registry_size.ts";
import type { Actor } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { requireSuperuser, requireSuperuserOrReader } from "../access/rights.ts";

/** The queue that counts are asked for in. */
export const REGISTRY_SIZE_QUEUE = "registrysize";
const RETRIES = 3;
/** Blobs that one statement looks at: some tens of milliseconds. */
const BATCH = 10_000;

/** The last count and what is being done. @param actor a superuser or a global read-only superuser */
export async function getRegistrySize(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
): Promise<RegistrySizeRow> {
  requireSuperuserOrReader(deps.config, actor);
  return await selectRegistrySize(deps.sql) ??
    { sizeBytes: 0, running: false, queued: false, completedMs: null };
}

/**
 * Asks for a count, unless one is waiting or under way.
 * @param actor a superuser
 * @returns whether it was this call that asked
 */
export async function queueRegistrySize(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
): Promise<boolean> {
  requireSuperuser(deps.config, actor);
  return await deps.sql.begin(async (tx) => {
    await lockRegistrySize(tx);
    const now = await selectRegistrySize(tx);
    if (now?.queued === true || now?.running === true) return false;
    await updateRegistrySize(tx, { queued: true, running: false });
    await insertQueueItem(tx, {
      queueName: `${REGISTRY_SIZE_QUEUE}/all/`,
      body: "{}",
      nowMs: deps.now(),
      retries: RETRIES,
    });
    return true;
  });
}

/** Counts, batch by batch; nothing is locked meanwhile. Done again after a crash it starts from the beginning. */
export async function countRegistrySize(
  deps: Pick<Deps, "sql" | "now">,
  signal: AbortSignal,
): Promise<void> {
  await note(deps, { queued: false, running: true });
  let total = 0;
  for (let afterId: number | undefined = 0; afterId !== undefined;) {
    signal.throwIfAborted();
    const { sizeBytes, lastId } = await sumStoredBytes(deps.sql, { afterId, limit: BATCH });
    total += sizeBytes;
    afterId = lastId;
  }
  await note(deps, { queued: false, running: false, sizeBytes: total, completedMs: deps.now() });
}

/** Nobody counts any more: it can be asked for again. */
export function giveUpRegistrySize(deps: Pick<Deps, "sql">): Promise<void> {
  return note(deps, { queued: false, running: false });
}

async function note(
  { sql }: Pick<Deps, "sql">,
  change: Parameters<typeof updateRegistrySize>[1],
): Promise<void> {
  await sql.begin(async (tx) => {
    await lockRegistrySize(tx);
    await updateRegistrySize(tx, change);
  });
}

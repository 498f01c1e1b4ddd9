import type { Deps } from "./domain/deps.ts";
import { refreshRowGauges } from "./domain/row_gauges.ts";
import { refreshInstanceKey } from "./domain/service_keys.ts";
import { cleanObjects } from "./workers/object_cleanup.ts";
import type { PeriodicWork } from "./workers/periodic.ts";
import { cleanTokens } from "./workers/token_cleanup.ts";
import { cleanUploads } from "./workers/upload_cleanup.ts";

/** An upload's file without a session is given up for lost after this. */
export const ORPHAN_AGE_MS = 600_000;

/** What runs once per node beside the requests; one entry a worker. */
export function backgroundWork(deps: Deps): PeriodicWork[] {
  const { config } = deps;
  return [
    {
      name: "row_gauges",
      everyMs: config.GLOBAL_PROMETHEUS_STATS_FREQUENCY * 1000,
      atStart: true,
      run: () => refreshRowGauges(deps),
    },
    {
      name: "service_key",
      everyMs: config.INSTANCE_SERVICE_KEY_REFRESH * 60_000,
      run: () => refreshInstanceKey(deps),
    },
    {
      name: "upload_cleanup",
      everyMs: config.BLOBUPLOAD_CLEANUP_FREQUENCY * 1000,
      run: () => cleanUploads(deps, { orphanAgeMs: ORPHAN_AGE_MS }),
    },
    { name: "token_cleanup", everyMs: 3600_000, run: () => cleanTokens(deps) },
    { name: "object_cleanup", everyMs: 3600_000, atStart: true, run: () => cleanObjects(deps) },
  ];
}

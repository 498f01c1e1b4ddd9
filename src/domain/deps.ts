import type { Config } from "../config/schema.ts";
import type { Pool } from "../drivers/database/postgres.ts";
import type { StorageLocation } from "../drivers/storage/driver.ts";
import type { Logger } from "../lib/logger.ts";
import type { Metrics } from "../lib/metrics.ts";
import type { SecretBox } from "./secrets.ts";

/** What domain functions are given. Each takes `Pick<Deps, …>` of what it really uses. */
export interface Deps {
  readonly sql: Pool;
  readonly config: Config;
  /** The engine that new blobs are written to, under its name. */
  readonly storage: StorageLocation;
  readonly secrets: SecretBox;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

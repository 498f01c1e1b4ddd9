import type { Config } from "../config/schema.ts";
import type { Pool } from "../drivers/database/postgres.ts";
import type { MailDriver } from "../drivers/mail/driver.ts";
import type { ConnectNamespace, ConnectUpstream } from "../drivers/upstream/driver.ts";
import type { Storage } from "../drivers/storage/driver.ts";
import type { ChangeCounters } from "../lib/change_counters.ts";
import type { TagPageEnds } from "./content/tag_page_ends.ts";
import type { Logger } from "../lib/logger.ts";
import type { Metrics } from "../lib/metrics.ts";
import type { ActionBuffer } from "./logs/action_buffer.ts";
import type { SecretBox } from "./secrets.ts";

/** What domain functions are given. Each takes `Pick<Deps, …>` of what it really uses. */
export interface Deps {
  readonly sql: Pool;
  readonly config: Config;
  /** The engine that new blobs are written to, under its name; with the site's others. */
  readonly storage: Storage;
  /** Refuses with `mail_failed` when `FEATURE_MAILING` is false. Network: never inside a transaction. */
  readonly mail: MailDriver;
  readonly secrets: SecretBox;
  /** Certificate authorities that outgoing connections trust besides the public ones: PEM (`extra_ca_certs/`). */
  readonly authorities: readonly string[];
  /** Opens other registries. */
  readonly upstream: ConnectUpstream;
  /** Opens whole namespaces of them. */
  readonly upstreamNamespace: ConnectNamespace;
  /**
   * Changes to what a repository's references mean, by repository id: whoever commits one tells it here before answering.
   * Absent when other nodes share the database: then nothing may be remembered.
   */
  readonly changes: ChangeCounters | undefined;
  /** Of this thread; absent where {@link changes} is. */
  readonly tagPageEnds?: TagPageEnds | undefined;
  /** Rows of the action log that nobody waits for. */
  readonly actions: ActionBuffer;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

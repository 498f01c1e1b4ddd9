import type { NewLogEntry } from "../../drivers/database/queries/log_entry.ts";
import type { CountedPull } from "../repositories/pull_statistics.ts";
import { AppError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/logger.ts";

/** A row for the log, a pull to be counted, or both. */
export interface BufferedAction {
  readonly entry?: NewLogEntry | undefined;
  readonly pull?: CountedPull | undefined;
}

export interface ActionBufferOptions {
  /** Stores the rows, all or none. */
  readonly write: (actions: readonly BufferedAction[]) => Promise<void>;
  readonly log: Pick<Logger, "error" | "warn">;
  /** How long a row waits for others to go with; absent: until {@link ActionBuffer.flush}. */
  readonly waitMs?: number;
  /** Rows kept at most: while the database is away, or slower than what is recorded. */
  readonly most?: number;
}

/** Some 5 MB of rows, 15 MB when clients have long names. */
const MOST = 10_000;
/** Rows that go by one statement. */
const BATCH = 5_000;
/** Pause after a write that failed. */
const RETRY_MS = 1_000;
const CLOSE_MS = 4_000;

/**
 * Rows of the action log that nobody waits for: those of pulls. They are written together, shortly after; what cannot be
 * written is kept, up to a bound, and written when the database is back. One a thread; `close` loses nothing that
 * can be written.
 */
export class ActionBuffer {
  #waiting: BufferedAction[] = [];
  #writing: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  #lost = 0;
  readonly #most: number;

  constructor(private readonly options: ActionBufferOptions) {
    this.#most = options.most ?? MOST;
  }

  /** Takes the row unless there is no room. */
  offer(action: BufferedAction): boolean {
    if (this.#waiting.length >= this.#most) return false;
    this.#waiting.push(action);
    if (this.#timer === undefined && this.#writing === undefined) this.#schedule(this.options.waitMs);
    return true;
  }

  /**
   * Takes the row. Without room: a strict one waits for the rows before it to be written, any other is lost and counted.
   * @returns nothing to wait for, in the usual case
   * @throws {AppError} `database_unavailable` when a strict row finds no room because nothing can be written
   */
  record(action: BufferedAction, { strict }: { strict: boolean }): Promise<void> | undefined {
    if (this.offer(action)) return undefined;
    if (strict) return this.#squeezeIn(action);
    this.#lost++;
    return undefined;
  }

  async #squeezeIn(action: BufferedAction): Promise<void> {
    try {
      do await this.flush(); while (!this.offer(action));
    } catch (cause) {
      throw new AppError("database_unavailable", "this cannot be recorded now; try again soon", {}, {
        cause,
      });
    }
  }

  /** Writes what waits. Rejects when that fails; the rows are kept. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return this.#writing ??= this.#write(this.#waiting.length).finally(() => {
      this.#writing = undefined;
      // What came meanwhile waits for others in its turn: small batches cost as much as large ones.
      if (this.#waiting.length > 0) this.#schedule(this.options.waitMs);
    });
  }

  async #write(due: number): Promise<void> {
    while (due > 0) {
      const batch = this.#waiting.slice(0, Math.min(due, BATCH));
      await this.options.write(batch);
      this.#waiting = this.#waiting.slice(batch.length);
      due -= batch.length;
      this.#tellLost();
    }
  }

  #schedule(waitMs: number | undefined): void {
    if (waitMs === undefined || this.#closed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.flush().catch((error) => {
        this.options.log.warn("the action log cannot be written; it is tried again", {
          waiting: this.#waiting.length,
          error,
        });
        clearTimeout(this.#timer);
        this.#timer = undefined;
        this.#schedule(RETRY_MS);
      });
    }, waitMs);
  }

  #tellLost(): void {
    if (this.#lost === 0) return;
    this.options.log.error(
      "actions were not recorded: there was no room for them while the database was away",
      {
        lost: this.#lost,
      },
    );
    this.#lost = 0;
  }

  /** Writes what waits, within a few seconds. Takes rows afterwards too, which are then the caller's to flush. */
  async close(): Promise<void> {
    this.#closed = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("the database did not answer in time")), CLOSE_MS);
    });
    try {
      await Promise.race([this.flush().then(() => this.flush()), late]);
    } catch (error) {
      this.#lost += this.#waiting.length;
      this.options.log.warn("the action log could not be written before the end", { error });
    } finally {
      clearTimeout(timer);
      this.#tellLost();
    }
  }
}

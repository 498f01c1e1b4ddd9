/** Bytes that may wait for the disk. Larger steps leave more for the end, smaller ones flush the device more often. */
const STEP_BYTES = 32 << 20;

/**
 * Forces a growing file out while it grows, so that little is left to wait for at its end. The final flush stays the
 * caller's: this only starts it early. Through a descriptor of its own, since Deno runs the operations of one after
 * another.
 */
export class EarlyFlush {
  #file: Deno.FsFile | undefined;
  #running: Promise<void> | undefined;
  #waitingBytes = 0;

  constructor(private readonly path: string) {}

  /** Call after each write. */
  wrote(sizeBytes: number): void {
    this.#waitingBytes += sizeBytes;
    if (this.#waitingBytes < STEP_BYTES || this.#running !== undefined) return;
    this.#waitingBytes = 0;
    // A failure comes up again in the final flush: the kernel reports it to each descriptor.
    this.#running = this.#flush().catch(() => {}).finally(() => this.#running = undefined);
  }

  async #flush(): Promise<void> {
    this.#file ??= await Deno.open(this.path);
    await this.#file.syncData();
  }

  /** Waits for what runs. */
  async end(): Promise<void> {
    await this.#running;
    this.#file?.close();
    this.#file = undefined;
  }
}

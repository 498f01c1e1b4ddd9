/**
 * Bytes addressed by key. Knows nothing of repositories, tags or quotas. Keys are relative paths of
 * `[A-Za-z0-9._/-]` without empty, `.` or `..` parts. Quay's layout below `storage_path`:
 *
 *     uploads/<uuid>            an upload in progress; never served
 *     sha256/<2 hex>/<hex>      a finished blob (sha512/<2 hex>/<hex> likewise)
 *
 * A finished blob appears under its key all at once and durable, or not at all.
 */
export interface StorageDriver {
  /** Size in bytes, or `undefined` when `key` is absent. */
  stat(key: string): Promise<{ sizeBytes: number } | undefined>;
  /**
   * Bytes `[offset, offset + length)`, to the end without `length`. The caller reads to the end or cancels.
   * @throws {AppError} `blob_unknown` when `key` is absent
   */
  read(key: string, offset?: number, length?: number): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  /** All or nothing: `key` appears only once the last byte is durable. */
  write(key: string, body: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void>;
  /**
   * Opens `key` for appending at `offset` bytes, creating it when `offset` is 0; bytes beyond `offset` that an
   * interrupted request left behind are dropped.
   * @throws {AppError} `upload_unknown` when fewer than `offset` bytes are there
   */
  append(key: string, offset: number): Promise<StorageAppender>;
  /** Renames durably: after it returns, `to` survives a power cut (which may bring `from` back). Replaces `to`. */
  move(from: string, to: string): Promise<void>;
  /** Succeeds when `key` is already absent, so garbage collection can be retried. */
  remove(key: string): Promise<void>;
  /** Keys under `prefix` with the time of their last change (epoch ms), in no order. For clean-up and scrubbing. */
  list(prefix: string): AsyncIterable<{ key: string; sizeBytes: number; modifiedMs: number }>;
  /** Free and total bytes where the engine can tell. */
  capacity(): Promise<{ freeBytes: number; totalBytes: number } | undefined>;
  /** Writes, reads back and removes a small object. @throws {AppError} `storage_unavailable` | `storage_full` */
  probe(): Promise<void>;
}

/** One writer at the end of an upload. Exactly one of `close` and `abort` ends it. */
export interface StorageAppender {
  /** Takes the bytes in order; the buffer may be reused once the promise resolves. @throws {AppError} `storage_full` */
  write(chunk: Uint8Array): Promise<void>;
  /** Flushes; with `durable` the bytes survive a power cut. Returns the size of the object in bytes. */
  close(options: { durable: boolean }): Promise<number>;
  /** Ends and gives the space back; what was written may be there all the same. Never throws. */
  abort(): Promise<void>;
}

/** One engine of `DISTRIBUTED_STORAGE_CONFIG` under its name (= `imagestoragelocation.name`). */
export interface StorageLocation {
  readonly name: string;
  readonly driver: StorageDriver;
}

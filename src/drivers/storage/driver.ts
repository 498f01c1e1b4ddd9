/**
 * Bytes addressed by key. Knows nothing of repositories, tags or quotas. Keys are relative paths of
 * `[A-Za-z0-9._/-]` without empty, `.` or `..` parts. Quay's layout below `storage_path`:
 *
 *     uploads/<uuid>[.<more>]   an upload in progress; never served
 *     sha256/<2 hex>/<hex>      a finished blob (sha512/<2 hex>/<hex> likewise)
 *
 * A finished blob appears under its key all at once and durable, or not at all.
 *
 * An upload grows in turns, each by an appender, perhaps on another node each time. What the next turn needs to know is
 * what `close` returned (`size` and `state`), and the caller keeps it: an engine remembers nothing of uploads itself.
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
   * interrupted request left behind are dropped. A greater offset is one that a `close` of this upload returned.
   * @throws {AppError} `upload_unknown` when fewer than `offset` bytes are there (object stores notice at the end);
   * `storage_unavailable` when too many uploads are under way
   */
  append(key: string, offset: number, turn?: AppendTurn): Promise<StorageAppender>;
  /** Drops an upload that will not be ended: `key`, and whatever `state` (the last one that was kept) names. */
  discard(key: string, state?: string): Promise<void>;
  /**
   * Renames durably: after it returns, `to` survives a power cut (which may bring `from` back). Replaces `to`. Object
   * stores copy: it may take minutes, so never inside a transaction.
   */
  move(from: string, to: string): Promise<void>;
  /** Succeeds when `key` is already absent, so garbage collection can be retried. */
  remove(key: string): Promise<void>;
  /** Keys under `prefix` with the time of their last change (epoch ms), in no order. For clean-up and scrubbing. */
  list(prefix: string): AsyncIterable<{ key: string; sizeBytes: number; modifiedMs: number }>;
  /**
   * Uploads that hold space without being objects (S3's unfinished multipart uploads), with the time of their last
   * change (epoch ms). Absent where there is no such thing.
   */
  listUnfinished?(): AsyncIterable<UnfinishedUpload>;
  /** Gives the space of one of them back. Succeeds when it is gone already. */
  removeUnfinished?(upload: UnfinishedUpload): Promise<void>;
  /**
   * An address from which anybody may GET `key` (with ranges) for `seconds`; `undefined` when this engine cannot make
   * one. Absent where none can.
   */
  presign?(key: string, options: PresignOptions): Promise<URL | undefined>;
  /** Free and total bytes where the engine can tell. */
  capacity(): Promise<{ freeBytes: number; totalBytes: number } | undefined>;
  /** Writes, reads back and removes a small object. @throws {AppError} `storage_unavailable` | `storage_full` */
  probe(): Promise<void>;
}

/** What a turn of an upload may know beside its offset. */
export interface AppendTurn {
  /** What `close` returned with that offset; `undefined` at 0. */
  readonly state?: string | undefined;
  /**
   * Where the object is to go if this turn is the last. An engine that can writes it there straight away;
   * {@link Appended.key} tells.
   */
  readonly target?: string | undefined;
}

/** What a turn has made. */
export interface Appended {
  readonly sizeBytes: number;
  /** Where the whole object is readable, after a close with `last`. */
  readonly key: string;
  /** For the next turn; opaque text, `undefined` when the engine needs none. */
  readonly state: string | undefined;
}

export interface UnfinishedUpload {
  readonly key: string;
  readonly id: string;
  readonly modifiedMs: number;
}

export interface PresignOptions {
  readonly seconds: number;
  /** Of the repository: some content networks have an address of their own for a namespace. */
  readonly namespace?: string | undefined;
}

/** One writer at the end of an upload. Exactly one of a successful `close` and `abort` ends it. */
export interface StorageAppender {
  /** True where small pieces cost no more than large ones, since they are collected here anyway. */
  readonly collects?: boolean;
  /** Takes the bytes in order; the buffer may be reused once the promise resolves. @throws {AppError} `storage_full` */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Flushes; with `durable` the bytes survive a power cut, with `last` they are a whole object under the `key` that it
   * returns, and on object stores the upload cannot be appended to any more. When it fails, `abort` is due.
   * @throws {AppError} `storage_full`, `storage_unavailable`; `upload_unknown` when earlier bytes are gone
   */
  close(options: { durable: boolean; last?: boolean }): Promise<Appended>;
  /** Ends and gives the space back; what was written may be there all the same. Never throws. */
  abort(): Promise<void>;
}

/** The engines of a site: the one that new blobs are written to, and the others in order of preference. */
export interface Storage extends StorageLocation {
  readonly others?: readonly StorageLocation[];
}

/** One engine of `DISTRIBUTED_STORAGE_CONFIG` under its name (= `imagestoragelocation.name`). */
export interface StorageLocation {
  readonly name: string;
  readonly driver: StorageDriver;
  /** True while its failures keep it from being asked at all; absent where there is no other to ask. */
  readonly isDown?: () => boolean;
}

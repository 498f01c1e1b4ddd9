/** Least-recently-used cache of immutable bytes, bounded by their sum. */
export class ByteCache<Key> {
  readonly #entries = new Map<Key, Uint8Array<ArrayBuffer>>();
  #sizeBytes = 0;

  constructor(private readonly maxBytes: number) {}

  get(key: Key): Uint8Array<ArrayBuffer> | undefined {
    const bytes = this.#entries.get(key);
    if (bytes === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, bytes);
    return bytes;
  }

  /** Keeps `bytes` unless they alone would push out an eighth of everything else. */
  set(key: Key, bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes.byteLength > this.maxBytes / 8 || this.#entries.has(key)) return;
    this.#entries.set(key, bytes);
    this.#sizeBytes += bytes.byteLength;
    for (const [oldest, old] of this.#entries) {
      if (this.#sizeBytes <= this.maxBytes) break;
      this.#entries.delete(oldest);
      this.#sizeBytes -= old.byteLength;
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }
}

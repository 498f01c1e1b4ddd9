/**
 * Signs of life of this node's threads in shared memory: each beats its slot once a second, any of them can see whether
 * all do. A thread whose event loop hangs stops beating.
 */
const BEAT_MS = 1_000;
const DEAD_AFTER_MS = 5_000;

export function createHeartbeats(threads: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(threads * BigInt64Array.BYTES_PER_ELEMENT);
  return memory;
}

/** Starts beating slot `index`; the returned function stops it. */
export function beat(memory: SharedArrayBuffer, index: number, now: () => number = Date.now): () => void {
  const slots = new BigInt64Array(memory);
  const mark = () => void Atomics.store(slots, index, BigInt(Math.floor(now())));
  mark();
  const timer = setInterval(mark, BEAT_MS);
  return () => clearInterval(timer);
}

/** Whether every thread has beaten within the last five seconds. */
export function allBeating(memory: SharedArrayBuffer, now: () => number = Date.now): boolean {
  const slots = new BigInt64Array(memory);
  const oldest = BigInt(Math.floor(now()) - DEAD_AFTER_MS);
  return slots.every((_, index) => Atomics.load(slots, index) >= oldest);
}

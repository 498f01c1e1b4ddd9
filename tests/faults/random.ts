/** Mulberry32: small, and the same numbers for the same seed everywhere. */
export class Random {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to but not including 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** A whole number, both ends included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** Sizes differ by orders of magnitude, as those of real layers do. */
  size(low: number, high: number): number {
    return Math.round(low * (high / low) ** this.next());
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const words = new Uint32Array(Math.ceil(length / 4));
    let x = (this.between(1, 0x7fffffff)) >>> 0;
    for (let i = 0; i < words.length; i++) {
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
      words[i] = x;
    }
    return new Uint8Array(words.buffer, 0, length);
  }
}

/** `QUAYLET_TEST_SEED` repeats a run; without it the seed is new each time. Printed, so that a failure can be repeated. */
export function seededRandom(name: string): Random {
  const given = Deno.env.get("QUAYLET_TEST_SEED");
  const seed = given === undefined ? crypto.getRandomValues(new Uint32Array(1))[0] as number : Number(given);
  console.log(`${name}: QUAYLET_TEST_SEED=${seed}`);
  return new Random(seed);
}

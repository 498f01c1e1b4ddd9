/** What people see of a run while it runs, and of the last one afterwards. */

/** One row of `repomirrorprogress`. Bytes count what crosses the network, not what was here already. */
export interface MirrorProgress {
  readonly phase: "listing" | "copying" | "removing" | "paused" | "done" | "failed" | "cancelled";
  readonly startedMs: number;
  readonly updatedMs: number;
  readonly tagsWanted: number;
  /** Unchanged ones are done at once. */
  readonly tagsDone: number;
  readonly tagsFailed: number;
  readonly currentTag: string | null;
  /** Grows while indexes are opened: known for sure once every tag has been looked at. */
  readonly bytesWanted: number;
  readonly bytesFetched: number;
  /** Of wanted blobs that were in the registry before. */
  readonly bytesHere: number;
  /** Smoothed over the last seconds. */
  readonly bytesPerSecond: number;
  /** The last failure in words with its cause; null in a run without one. */
  readonly lastError: string | null;
  /** When a paused run goes on. */
  readonly pausedUntilMs: number | null;
}

/** What a run tells as it goes. */
export type ProgressEvent =
  | { readonly kind: "phase"; readonly phase: MirrorProgress["phase"] }
  | { readonly kind: "planned"; readonly tags: number }
  | { readonly kind: "tag_started"; readonly tag: string }
  | { readonly kind: "tag_done"; readonly tag: string }
  | { readonly kind: "tag_failed"; readonly tag: string; readonly message: string }
  /** A blob or manifest that has to come, or of which a part has come in an earlier run. */
  | { readonly kind: "wanted"; readonly bytes: number }
  | { readonly kind: "here"; readonly bytes: number }
  | { readonly kind: "fetched"; readonly bytes: number }
  | { readonly kind: "error"; readonly message: string }
  | { readonly kind: "paused"; readonly untilMs: number; readonly why: string };

export type ReportProgress = (event: ProgressEvent) => void;

const SMOOTH_MS = 5_000;

/** Adds up a run's events. `snapshot` is cheap; whoever shows or stores it decides how often. */
export class RunProgress {
  #state: { -readonly [K in keyof MirrorProgress]: MirrorProgress[K] };
  #rateAtMs: number;
  #rateBytes = 0;

  constructor(readonly now: () => number) {
    const nowMs = now();
    this.#rateAtMs = nowMs;
    this.#state = {
      phase: "listing",
      startedMs: nowMs,
      updatedMs: nowMs,
      tagsWanted: 0,
      tagsDone: 0,
      tagsFailed: 0,
      currentTag: null,
      bytesWanted: 0,
      bytesFetched: 0,
      bytesHere: 0,
      bytesPerSecond: 0,
      lastError: null,
      pausedUntilMs: null,
    };
  }

  readonly report: ReportProgress = (event) => {
    const state = this.#state;
    switch (event.kind) {
      case "phase":
        state.phase = event.phase;
        break;
      case "planned":
        state.tagsWanted = event.tags;
        state.phase = "copying";
        break;
      case "tag_started":
        state.currentTag = event.tag;
        break;
      case "tag_done":
        state.tagsDone++;
        break;
      case "tag_failed":
        state.tagsFailed++;
        state.lastError = `${event.tag}: ${event.message}`;
        break;
      case "wanted":
        state.bytesWanted += event.bytes;
        break;
      case "here":
        state.bytesHere += event.bytes;
        break;
      case "fetched":
        state.bytesFetched += event.bytes;
        this.#rateBytes += event.bytes;
        break;
      case "error":
        state.lastError = event.message;
        break;
      case "paused":
        state.phase = "paused";
        state.pausedUntilMs = event.untilMs;
        state.lastError = event.why;
        break;
    }
  };

  snapshot(): MirrorProgress {
    const nowMs = this.now();
    const passedMs = nowMs - this.#rateAtMs;
    if (passedMs > 0) {
      const weight = 1 - Math.exp(-passedMs / SMOOTH_MS);
      const rate = this.#rateBytes * 1000 / passedMs;
      this.#state.bytesPerSecond = Math.round(
        this.#state.bytesPerSecond + weight * (rate - this.#state.bytesPerSecond),
      );
      this.#rateAtMs = nowMs;
      this.#rateBytes = 0;
    }
    this.#state.updatedMs = nowMs;
    return { ...this.#state };
  }
}

/** Images under way at once, about: so far are bytes known. */
const AHEAD = 3;

export interface ProgressShare {
  /** Of the whole run, 0 to 100. Never 100 before it is done. */
  readonly percent: number;
  /** Of what is known to be wanted by now. */
  readonly bytesRemaining: number;
  /** Null while nothing comes. */
  readonly secondsRemaining: number | null;
}

/** How much of a run is behind it. Bytes are only known of images that were opened, so tags bound what they say. */
export function shareOf(progress: MirrorProgress): ProgressShare {
  const { phase, tagsWanted, tagsDone, tagsFailed, bytesWanted, bytesFetched, bytesHere } = progress;
  const bytesRemaining = Math.max(0, bytesWanted - bytesFetched - bytesHere);
  const ended = (tagsDone + tagsFailed) / Math.max(1, tagsWanted);
  const opened = Math.min(1, (tagsDone + tagsFailed + AHEAD) / Math.max(1, tagsWanted));
  const bytes = bytesWanted === 0 ? 0 : 1 - bytesRemaining / bytesWanted;
  const share = tagsWanted === 0 ? 0 : Math.max(ended, Math.min(opened, bytes));
  const isRunning = phase === "copying" && progress.bytesPerSecond > 0;
  return {
    percent: phase === "done" ? 100 : Math.min(99, Math.floor(share * 100)),
    bytesRemaining: phase === "done" ? 0 : bytesRemaining,
    secondsRemaining: isRunning ? Math.ceil(bytesRemaining / progress.bytesPerSecond) : null,
  };
}

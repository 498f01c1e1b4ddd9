import type { Logger } from "../lib/logger.ts";
import type { ListenerSpec, TlsPair } from "./listeners.ts";
import type { ThreadMessage, ThreadQuestion, ThreadReply } from "./thread.ts";

export interface ThreadsOptions<Settings> {
  readonly count: number;
  /** Starts a thread that runs `answerMainThread`. */
  readonly startWorker: (name: string) => Worker;
  readonly settings: Settings;
  readonly listeners: readonly ListenerSpec[];
  readonly tls: TlsPair | undefined;
  readonly log: Logger;
}

const START_TIMEOUT_MS = 30_000;
const ANSWER_TIMEOUT_MS = 5_000;

/** The HTTP worker threads of this node. A thread that dies is replaced; the others go on serving meanwhile. */
export class HttpThreads<Settings> {
  readonly #threads: (HttpThread<Settings> | undefined)[];
  #tls: TlsPair | undefined;
  #stopping = false;

  private constructor(private readonly options: ThreadsOptions<Settings>) {
    this.#threads = new Array(options.count).fill(undefined);
    this.#tls = options.tls;
  }

  /** Resolves once every thread accepts connections. @throws {Error} what the first failing thread said */
  static async start<Settings>(options: ThreadsOptions<Settings>): Promise<HttpThreads<Settings>> {
    // Read once, at the first connection of the program: without it Deno copies each piece of a body before sending it.
    Deno.env.set("DENO_USE_WRITEV", "1");
    const threads = new HttpThreads(options);
    await Promise.all(threads.#threads.map((_, index) => threads.#startThread(index)));
    return threads;
  }

  async #startThread(index: number): Promise<void> {
    const { startWorker, settings, listeners } = this.options;
    const thread = new HttpThread<Settings>(
      startWorker(`http-${index + 1}`),
      (reason) => this.#replace(index, reason),
    );
    this.#threads[index] = thread;
    await thread.ask({ ask: "start", settings, index, listeners, tls: this.#tls }, START_TIMEOUT_MS);
  }

  #replace(index: number, reason: string): void {
    if (this.#stopping) return;
    this.#threads[index] = undefined;
    this.options.log.error("an HTTP worker thread died; starting another", { thread: index + 1, reason });
    setTimeout(() => {
      if (this.#stopping) return;
      this.#startThread(index).catch((error) => this.#replace(index, String(error)));
    }, 500);
  }

  #askAll(question: ThreadQuestion<Settings>, timeoutMs: number): Promise<unknown[]> {
    return Promise.all(
      this.#threads.flatMap((thread) => thread === undefined ? [] : [thread.ask(question, timeoutMs)]),
    );
  }

  /** True when every thread answers within five seconds. */
  async ping(): Promise<boolean> {
    if (this.#threads.includes(undefined)) return false;
    return await this.#askAll({ ask: "ping" }, ANSWER_TIMEOUT_MS).then(() => true, () => false);
  }

  async snapshots(): Promise<object[]> {
    return await this.#askAll({ ask: "snapshot" }, ANSWER_TIMEOUT_MS) as object[];
  }

  async replaceTls(tls: TlsPair): Promise<void> {
    this.#tls = tls;
    await this.#askAll({ ask: "tls", tls }, ANSWER_TIMEOUT_MS);
  }

  /** Refuses new connections at once and waits for running requests, at most `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    await this.#askAll({ ask: "stop", graceMs }, graceMs + ANSWER_TIMEOUT_MS).catch((error) => {
      this.options.log.warn("an HTTP worker thread did not stop in time", { error });
    });
    for (const thread of this.#threads) thread?.terminate();
  }
}

/** One thread and the questions it still owes an answer. */
class HttpThread<Settings> {
  readonly #pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #nextId = 1;

  constructor(private readonly worker: Worker, died: (reason: string) => void) {
    worker.onmessage = ({ data }: MessageEvent<ThreadReply>) => {
      const waiting = this.#pending.get(data.id);
      if (waiting === undefined) return;
      if ("failed" in data) waiting.reject(new Error(data.failed));
      else waiting.resolve(data.reply);
    };
    worker.onerror = (event) => {
      event.preventDefault(); // or the whole appliance would end with it
      for (const { reject } of this.#pending.values()) reject(new Error(event.message));
      worker.terminate();
      died(event.message);
    };
  }

  ask(question: ThreadQuestion<Settings>, timeoutMs: number): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => settle(() => reject(new Error(`no answer to "${question.ask}" within ${timeoutMs} ms`))),
        timeoutMs,
      );
      const settle = (finish: () => void) => {
        clearTimeout(timer);
        this.#pending.delete(id);
        finish();
      };
      this.#pending.set(id, {
        resolve: (value) => settle(() => resolve(value)),
        reject: (error) => settle(() => reject(error)),
      });
      const message: ThreadMessage<Settings> = { ...question, id };
      this.worker.postMessage(message);
    });
  }

  terminate(): void {
    this.worker.terminate();
  }
}

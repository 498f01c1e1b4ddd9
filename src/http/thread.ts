import { type FetchHandler, Listener, type ListenerSpec, type TlsPair } from "./listeners.ts";

/**
 * What the main thread asks an HTTP worker thread. One question, one reply, matched by `id`:
 *
 *     start     open the listeners                      -> true
 *     tls       serve https with this pair from now on  -> true
 *     ping      are you alive                           -> true
 *     snapshot  your metrics                            -> object
 *     stop      take no more connections, finish what runs for at most `graceMs`, close the database -> true
 */
export type ThreadQuestion<Settings> =
  | {
    ask: "start";
    settings: Settings;
    index: number;
    listeners: readonly ListenerSpec[];
    tls: TlsPair | undefined;
  }
  | { ask: "tls"; tls: TlsPair }
  | { ask: "ping" }
  | { ask: "snapshot" }
  | { ask: "stop"; graceMs: number };

export type ThreadMessage<Settings> = ThreadQuestion<Settings> & { id: number };
export type ThreadReply = { id: number; reply: unknown } | { id: number; failed: string };

/** What one thread serves, made from the settings by the composition root. */
export interface ThreadService {
  /** The handler of a listener of that kind. */
  handlerFor(surface: ListenerSpec["surface"]): FetchHandler;
  snapshot(): Promise<object>;
  close(): Promise<void>;
}

/** Runs this thread's side until it is told to stop. `compose` makes the service; `scope` is the worker's global. */
export function answerMainThread<Settings>(
  scope: {
    onmessage: ((event: MessageEvent<ThreadMessage<Settings>>) => void) | null;
    postMessage(message: ThreadReply): void;
    close(): void;
  },
  compose: (settings: Settings, index: number) => Promise<ThreadService>,
): void {
  let service: ThreadService | undefined;
  let listeners: Listener[] = [];

  async function answer(question: ThreadQuestion<Settings>): Promise<unknown> {
    switch (question.ask) {
      case "start": {
        const started = await compose(question.settings, question.index);
        service = started;
        listeners = question.listeners.map((spec) =>
          new Listener(
            spec,
            started.handlerFor(spec.surface),
            spec.surface === "https" ? question.tls : undefined,
          )
        );
        return true;
      }
      case "tls":
        for (const listener of listeners) {
          if (listener.spec.surface === "https") listener.replaceTls(question.tls);
        }
        return true;
      case "ping":
        return true;
      case "snapshot":
        return await service?.snapshot() ?? {};
      case "stop": {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const grace = new Promise<void>((resolve) => timer = setTimeout(resolve, question.graceMs));
        await Promise.race([Promise.all(listeners.map((listener) => listener.stop())), grace]);
        clearTimeout(timer);
        await service?.close();
        return true;
      }
    }
  }

  scope.onmessage = async ({ data }) => {
    try {
      const reply = await answer(data);
      scope.postMessage({ id: data.id, reply });
    } catch (error) {
      scope.postMessage({ id: data.id, failed: error instanceof Error ? error.message : String(error) });
    }
    if (data.ask === "stop") scope.close();
  };
}

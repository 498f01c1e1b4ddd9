/**
 * How an HTTP worker thread finds out whether all of them live: it calls on a channel that every thread of this
 * process hears, and counts who answers.
 */
type Call = { call: string } | { present: string; to: string };

/**
 * Joins the roll call of `count` threads. Answers the others' calls until `close`.
 * @param nodeId the same in every thread of this node
 */
export function joinRollCall(options: { count: number; nodeId: string; timeoutMs: number }) {
  const channel = new BroadcastChannel(`quaylet-http-${options.nodeId}`);
  const self = crypto.randomUUID();
  const open = new Map<string, (thread: string) => void>();
  channel.onmessage = ({ data }: MessageEvent<Call>) => {
    if ("call" in data) channel.postMessage({ present: self, to: data.call } satisfies Call);
    else open.get(data.to)?.(data.present);
  };
  return {
    /** True once every thread has answered; false when one has not within `timeoutMs`. */
    ping(): Promise<boolean> {
      const call = crypto.randomUUID();
      const present = new Set<string>([self]);
      return new Promise<boolean>((resolve) => {
        const finish = (complete: boolean) => {
          clearTimeout(timer);
          open.delete(call);
          resolve(complete);
        };
        const timer = setTimeout(() => finish(false), options.timeoutMs);
        const take = (thread: string) => {
          present.add(thread);
          if (present.size >= options.count) finish(true);
        };
        open.set(call, take);
        channel.postMessage({ call } satisfies Call);
        take(self);
      });
    },
    close: () => channel.close(),
  };
}

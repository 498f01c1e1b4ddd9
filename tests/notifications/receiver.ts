/** What a webhook receiver was sent. */
export interface Received {
  readonly path: string;
  readonly headers: Headers;
  readonly body: unknown;
}

export interface Receiver {
  /** Below it everything is taken. */
  readonly url: string;
  readonly received: Received[];
  /** What it answers; 200 unless set. */
  answer: (request: Request) => Response | Promise<Response>;
}

/** Loopback, but none of the names that webhooks never may go to. `SSRF_ALLOWED_HOSTS` must name it. */
export const RECEIVER_HOST = "127.0.0.2";

/** A web server that takes notifications, for as long as `fn` runs. */
export async function withReceiver(fn: (receiver: Receiver) => Promise<void>): Promise<void> {
  const received: Received[] = [];
  const receiver = {
    url: "",
    received,
    answer: (_request: Request): Response | Promise<Response> => new Response("ok"),
  };
  const server = Deno.serve(
    { hostname: RECEIVER_HOST, port: 0, onListen: () => {} },
    async (request) => {
      const { pathname, search } = new URL(request.url);
      received.push({
        path: pathname + search,
        headers: request.headers,
        body: JSON.parse(await request.text()),
      });
      return await receiver.answer(request);
    },
  );
  receiver.url = `http://${RECEIVER_HOST}:${server.addr.port}`;
  try {
    await fn(receiver);
  } finally {
    await server.shutdown();
  }
}

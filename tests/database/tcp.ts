import assert from "node:assert/strict";
import { testServer } from "../database.ts";

/** The test server listens on a unix socket only; DB_URI names TCP. Hands `body` a port that leads there. */
export async function withTcp(body: (port: number) => Promise<void>): Promise<void> {
  const target = await testServer();
  assert.ok(!target.shared);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const relays: Promise<unknown>[] = [];
  const accepting = (async () => {
    for await (const client of listener) {
      const server = await Deno.connect({ transport: "unix", path: `${target.socketDir}/.s.PGSQL.5432` });
      relays.push(client.readable.pipeTo(server.writable).catch(() => {}));
      relays.push(server.readable.pipeTo(client.writable).catch(() => {}));
    }
  })();
  try {
    await body((listener.addr as Deno.NetAddr).port);
  } finally {
    listener.close();
    await accepting;
    await Promise.all(relays);
  }
}

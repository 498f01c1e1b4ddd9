/**
 * A TCP proxy that breaks: it cuts, stalls, slows down, spoils, and counts bytes. Between a mirror and its parent, in place of
 * a bad link.
 */
export interface Faults {
  /** Ends the connection after so many bytes towards the client, chosen anew for each connection; absent: never. */
  cutAfter?: (() => number) | undefined;
  /** Cuts that are left; absent: no end. */
  cuts?: number | undefined;
  /** Bytes a second towards the client. */
  bytesPerSecond?: number | undefined;
  /** Nothing comes through while it is set. */
  stall?: boolean | undefined;
  /** Refuses connections, as a dead host does. */
  dead?: boolean | undefined;
  /** Changes one byte after so many. */
  spoilAt?: number | undefined;
}

export interface FaultyProxy {
  readonly host: string;
  readonly port: number;
  faults: Faults;
  /** Towards the client, through all connections. */
  readonly bytes: number;
  readonly connections: number;
  /** Cuts that were made. */
  readonly cut: number;
  /** Ends all connections now. */
  drop(): void;
  stop(): Promise<void>;
}

export function startFaultyProxy(
  target: { hostname: string; port: number },
  faults: Faults = {},
): FaultyProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const open = new Set<Deno.TcpConn>();
  const state = { faults, bytes: 0, connections: 0, cut: 0 };

  async function serve(client: Deno.TcpConn): Promise<void> {
    state.connections++;
    open.add(client);
    let server: Deno.TcpConn | undefined;
    try {
      if (state.faults.dead) return;
      server = await Deno.connect(target);
      open.add(server);
      const up = pump(client, server, () => {});
      const down = deliver(server, client);
      await Promise.race([up, down]);
    } catch {
      // One side is gone: so is the other.
    } finally {
      for (const connection of [client, server]) {
        if (connection === undefined) continue;
        open.delete(connection);
        close(connection);
      }
    }
  }

  async function deliver(server: Deno.TcpConn, client: Deno.TcpConn): Promise<void> {
    const { cutAfter } = state.faults;
    let left = cutAfter === undefined ? Infinity : cutAfter();
    let seen = 0;
    await pump(server, client, async (chunk) => {
      const { bytesPerSecond, spoilAt, cuts = Infinity } = state.faults;
      while (state.faults.stall) await new Promise((resolve) => setTimeout(resolve, 20));
      if (bytesPerSecond !== undefined) {
        await new Promise((resolve) => setTimeout(resolve, chunk.length * 1000 / bytesPerSecond));
      }
      if (spoilAt !== undefined && seen <= spoilAt && spoilAt < seen + chunk.length) {
        chunk[spoilAt - seen]! ^= 1;
      }
      seen += chunk.length;
      state.bytes += Math.min(chunk.length, left);
      if (chunk.length >= left && cuts > 0) {
        if (state.faults.cuts !== undefined) state.faults.cuts--;
        state.cut++;
        return chunk.subarray(0, left);
      }
      left -= chunk.length;
      return undefined;
    });
  }

  (async () => {
    for await (const client of listener) void serve(client);
  })().catch(() => {});

  return {
    host: `127.0.0.1:${port}`,
    port,
    get faults() {
      return state.faults;
    },
    set faults(faults: Faults) {
      state.faults = faults;
    },
    get bytes() {
      return state.bytes;
    },
    get connections() {
      return state.connections;
    },
    get cut() {
      return state.cut;
    },
    drop() {
      for (const connection of open) close(connection);
      open.clear();
    },
    async stop() {
      listener.close();
      for (const connection of open) close(connection);
      await new Promise((resolve) => setTimeout(resolve, 5));
    },
  };
}

/** @param look may give back the last bytes to send before the end */
async function pump(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  look: (chunk: Uint8Array) => Promise<Uint8Array | undefined> | void,
): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (;;) {
    const read = await from.read(buffer);
    if (read === null) return;
    const chunk = buffer.subarray(0, read);
    const last = await look(chunk);
    await write(to, last ?? chunk);
    if (last !== undefined) return;
  }
}

async function write(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await to.write(bytes.subarray(sent));
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // closed already
  }
}

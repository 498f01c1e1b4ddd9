/**
 * Tells systemd how the service is doing, by sd_notify(3): one datagram a message to `$NOTIFY_SOCKET`. The sender must
 * be the service's main process (`NotifyAccess=main`), which holds for every thread of it.
 */
export interface SystemdNotifier {
  /** Connections are accepted: `Type=notify` units that wait for this one may start. Begins the watchdog's beat. */
  ready(status: string): Promise<void>;
  /** One line for `systemctl status`. */
  status(text: string): Promise<void>;
  /** Shutting down: no more beats are expected. */
  stopping(): Promise<void>;
  close(): void;
}

export interface SystemdNotifierOptions {
  /** Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`. */
  readonly env: { get(name: string): string | undefined };
  /** Asked before each beat of the watchdog; while it says no, throws or hangs, systemd's clock runs out. */
  readonly healthy: () => Promise<boolean>;
  /** Told about what could not be sent: the service goes on without. */
  readonly warn: (message: string, fields: { error: unknown }) => void;
}

/** The notifier, or `undefined` when nobody asked for notifications. Needs `--unstable-net`. */
export function createSystemdNotifier(options: SystemdNotifierOptions): SystemdNotifier | undefined {
  const { env, healthy, warn } = options;
  const target = env.get("NOTIFY_SOCKET");
  if (!target || !/^[/@]/.test(target)) return undefined;
  // `@name` is an abstract address, which the kernel marks by a NUL in front. Our own end is one too: it leaves no file
  // behind and has no folder whose path could be too long.
  const path = target.startsWith("@") ? `\0${target.slice(1)}` : target;
  const socket = Deno.listenDatagram({
    transport: "unixpacket",
    path: `\0quaylet-notify-${crypto.randomUUID()}`,
  });
  const encoder = new TextEncoder();
  let beat: ReturnType<typeof setInterval> | undefined;
  let asking = false;
  let closed = false;

  async function send(...lines: string[]): Promise<void> {
    if (closed) return;
    try {
      await socket.send(encoder.encode(lines.join("\n")), { transport: "unixpacket", path });
    } catch (error) {
      warn("systemd could not be notified", { error });
    }
  }

  async function beatOnce(): Promise<void> {
    if (asking) return;
    asking = true;
    try {
      if (await healthy()) await send("WATCHDOG=1");
      else warn("not healthy: the watchdog gets no sign of life", { error: undefined });
    } catch (error) {
      warn("health is not known: the watchdog gets no sign of life", { error });
    } finally {
      asking = false;
    }
  }

  return {
    async ready(status) {
      await send("READY=1", statusLine(status));
      const intervalMs = watchdogMs(env) / 2;
      if (intervalMs > 0 && beat === undefined && !closed) beat = setInterval(beatOnce, intervalMs);
    },
    status: (text) => send(statusLine(text)),
    async stopping() {
      clearInterval(beat);
      await send("STOPPING=1", statusLine("stopping"));
    },
    close() {
      if (closed) return;
      closed = true;
      clearInterval(beat);
      socket.close();
    },
  };
}

/** Milliseconds within which systemd wants a sign of life from this very process; 0 when it wants none. */
function watchdogMs(env: SystemdNotifierOptions["env"]): number {
  const pid = env.get("WATCHDOG_PID");
  if (pid && Number(pid) !== Deno.pid) return 0;
  const microseconds = Number(env.get("WATCHDOG_USEC") ?? 0);
  return Number.isFinite(microseconds) && microseconds > 0 ? microseconds / 1000 : 0;
}

function statusLine(text: string): string {
  return `STATUS=${text.replace(/\s+/g, " ").slice(0, 500)}`;
}

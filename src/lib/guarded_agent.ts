import type { Agent } from "undici";
import type { HostGuard } from "./ssrf.ts";

export interface GuardedAgentOptions {
  /** PEM certificates that are trusted besides the public ones. */
  readonly authorities: readonly string[];
  /** To connect, for the headers, between two pieces of the body. */
  readonly timeoutMs: number;
  /** False where requests are few: a kept connection would only be found dead. */
  readonly keepAlive: boolean;
}

/**
 * Connections to places that people have named. Names are looked at when the connection is made, so that a name cannot
 * change its mind in between; literal addresses are the caller's to check. The HTTP client is loaded by the first who asks.
 */
export async function createGuardedAgent(
  guard: HostGuard,
  { authorities, timeoutMs, keepAlive }: GuardedAgentOptions,
): Promise<Agent> {
  const { Agent } = await import("./undici.ts");
  const { rootCertificates } = await import("node:tls");
  return new Agent({
    connections: 4,
    connect: {
      lookup: guard.lookup as never,
      timeout: timeoutMs,
      ...(authorities.length === 0 ? {} : { ca: [...rootCertificates, ...authorities] }),
    },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    ...(keepAlive ? {} : { pipelining: 0 }),
  });
}

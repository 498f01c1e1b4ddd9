import { Buffer } from "node:buffer";
import type { Agent } from "undici";
import { createGuardedAgent } from "./guarded_agent.ts";
import { createHostGuard, type HostGuard } from "./ssrf.ts";

export interface WebhookClientOptions {
  /** `SSRF_ALLOWED_HOSTS`. */
  readonly allowedHosts: readonly string[];
  /** PEM certificates that are trusted besides the public ones. */
  readonly authorities: readonly string[];
  /** For one request and its answer. */
  readonly timeoutMs: number;
}

/** Sends JSON to addresses that people have named. */
export interface WebhookClient {
  /**
   * Resolves when the other side has answered 2xx. Follows no redirect: it could lead inside. Of the answer only the
   * status is looked at.
   * @throws {WebhookError} for every failure
   */
  postJson(url: string, body: unknown, signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** `message` names the host and nothing more of the address: its path may be a secret. */
export class WebhookError extends Error {}

/** What is read of an answer before the connection is given up. */
const ANSWER_MAX_BYTES = 65_536;

export function createWebhookClient(options: WebhookClientOptions): WebhookClient {
  const guard = createHostGuard(options.allowedHosts);
  let agent: Promise<Agent> | undefined;
  return {
    postJson: async (url, body, signal) =>
      await postJson(
        guard,
        await (agent ??= createGuardedAgent(guard, { ...options, keepAlive: false })),
        { url, body },
        options,
        signal,
      ),
    close: async () => void await (await agent)?.destroy(),
  };
}

async function postJson(
  guard: HostGuard,
  agent: Agent,
  { url, body }: { url: string; body: unknown },
  { timeoutMs }: WebhookClientOptions,
  stop: AbortSignal | undefined,
): Promise<void> {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  if (target === undefined || !/^https?:$/.test(target.protocol)) {
    throw new WebhookError("the address is no http or https address");
  }
  // A connection to a literal address never asks for a name.
  await guard.assertPublicHost(target.hostname).catch((cause) => {
    throw new WebhookError(cause.message, { cause });
  });
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const { request } = await import("./undici.ts");
    const answer = await request(`${target.origin}${target.pathname}${target.search}`, {
      method: "POST",
      dispatcher: agent,
      signal: stop === undefined ? timeout : AbortSignal.any([timeout, stop]),
      headers: {
        "content-type": "application/json",
        "user-agent": "quaylet",
        ...credentialsOf(target),
      },
      body: JSON.stringify(body),
    });
    await answer.body.dump({ limit: ANSWER_MAX_BYTES });
    const { statusCode } = answer;
    if (statusCode < 200 || statusCode > 299) {
      throw new WebhookError(`${target.host} answered with status ${statusCode}`);
    }
  } catch (cause) {
    if (cause instanceof WebhookError) throw cause;
    if (stop?.aborted) throw new WebhookError("the delivery was stopped", { cause });
    const why = timeout.aborted ? `did not answer within ${timeoutMs / 1000} s` : "could not be reached";
    throw new WebhookError(`${target.host} ${why}`, { cause });
  }
}

/** `https://name:password@host/` */
function credentialsOf({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
}

import { Buffer } from "node:buffer";
import type { Agent } from "undici";
import { createGuardedAgent } from "./guarded_agent.ts";
import { createHostGuard, type HostGuard } from "./ssrf.ts";

export interface WebClientOptions {
  /** `SSRF_ALLOWED_HOSTS`. */
  readonly allowedHosts: readonly string[];
  /** PEM certificates that are trusted besides the public ones. */
  readonly authorities: readonly string[];
  /** For the whole answer. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/**
 * Reads small documents of other sites on behalf of somebody who named the site, at https addresses. Follows no redirect: it
 * could lead inside. Every failure is a {@link WebClientError}, in words that carry nothing of the other site's answer.
 */
export interface WebClient {
  getJson(url: string): Promise<unknown>;
  /** The JSON that a form is answered with. */
  postForm(url: string, fields: Readonly<Record<string, string>>): Promise<unknown>;
  close(): Promise<void>;
}

/** `message` may be shown to whoever named the address. */
export class WebClientError extends Error {}

/** Addresses are looked at when the connection is made, so that a name cannot change its mind in between. */
export function createWebClient(options: WebClientOptions): WebClient {
  const guard = createHostGuard(options.allowedHosts);
  let agent: Promise<Agent> | undefined;
  const ask = async (url: string, form?: URLSearchParams) =>
    await askJson(
      guard,
      await (agent ??= createGuardedAgent(guard, { ...options, keepAlive: true })),
      { url, form },
      options,
    );
  return {
    getJson: (url) => ask(url),
    postForm: (url, fields) => ask(url, new URLSearchParams(fields)),
    close: async () => void await (await agent)?.destroy(),
  };
}

async function askJson(
  guard: HostGuard,
  agent: Agent,
  { url, form }: { url: string; form: URLSearchParams | undefined },
  { timeoutMs, maxBytes }: WebClientOptions,
): Promise<unknown> {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  if (target?.protocol !== "https:") throw new WebClientError(`${url.slice(0, 255)} is no https address`);
  const { host, hostname } = target;
  // A connection to a literal address never asks for a name.
  await guard.assertPublicHost(hostname).catch((cause) => {
    throw new WebClientError(cause.message, { cause });
  });
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const { request } = await import("./undici.ts");
    const { statusCode, body } = await request(target, {
      dispatcher: agent,
      signal,
      headers: {
        accept: "application/json",
        "user-agent": "quaylet",
        ...(form && { "content-type": "application/x-www-form-urlencoded" }),
      },
      ...(form && { method: "POST", body: form.toString() }),
    });
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of body) {
      length += chunk.length;
      // Leaving the loop ends the connection.
      if (length > maxBytes) throw new WebClientError(`${host} sent more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    if (statusCode !== 200) throw new WebClientError(`${host} answered with status ${statusCode}`);
    return parse(Buffer.concat(chunks).toString("utf8"), host);
  } catch (cause) {
    if (cause instanceof WebClientError) throw cause;
    const why = signal.aborted ? `did not answer within ${timeoutMs / 1000} s` : "could not be reached";
    throw new WebClientError(`${host} ${why}`, { cause });
  }
}

function parse(text: string, host: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new WebClientError(`${host} did not answer with JSON`, { cause });
  }
}

/** Answers that are read as a whole, and requests for them that are tried again. */
import { UpstreamError } from "./driver.ts";
import { asUpstreamError } from "./failures.ts";
import { retried } from "./retry.ts";
import type { Answer, UpstreamSite } from "./transport.ts";

/** Tries a small request again while it fails passingly; each try has its own time limit. */
export async function retriedInTime<T>(
  site: UpstreamSite,
  { host, timeoutMs }: { host: string; timeoutMs: number },
  signal: AbortSignal,
  attempt: (own: AbortSignal) => Promise<T>,
): Promise<T> {
  return await retried(site, signal, async () => {
    const limit = AbortSignal.timeout(timeoutMs);
    try {
      return await attempt(AbortSignal.any([signal, limit]));
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!limit.aborted) throw asUpstreamError(error, host);
      const message = `${host} does not answer in ${timeoutMs / 1000} s (timeout)`;
      throw new UpstreamError("timeout", message, { cause: error, passing: true });
    }
  });
}

/** The body, with failures in words. */
export async function* guarded(answer: Answer, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of answer.body) yield chunk as Uint8Array;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw asUpstreamError(error, answer.url.host);
  } finally {
    answer.body.destroy();
  }
}

/** @throws {UpstreamError} `lied` when there is more */
export async function readBounded(
  answer: Answer,
  limitBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of guarded(answer, signal)) {
    sizeBytes += chunk.length;
    if (sizeBytes > limitBytes) {
      throw new UpstreamError(
        "lied",
        `${answer.url.host} sends more than ${limitBytes} bytes where few are due`,
      );
    }
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(sizeBytes);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

export function parseObject(text: string, answer: Answer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // said below
  }
  throw notJson(answer);
}

export function notJson(answer: Answer): UpstreamError {
  return new UpstreamError("lied", `${answer.url.host} does not answer as a registry does: is it one?`);
}

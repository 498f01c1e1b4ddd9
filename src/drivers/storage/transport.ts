import type { LookupFunction } from "node:net";
import { rootCertificates } from "node:tls";
import { Agent, type Dispatcher, request } from "undici";

/** One request, as it goes over the wire. */
export interface WireRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Until the answer's first byte, counted from when the body was handed over. */
  readonly answerMs: number;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Whoever gets it reads it to the end, dumps or destroys it: else the connection is lost. */
  readonly body: Dispatcher.ResponseData["body"];
}

const CONNECT_MS = 5_000;
/** A stream that brings nothing for so long is given up. */
const SILENCE_MS = 30_000;
const KEEP_ALIVE_MS = 20_000;
/** Connections to one endpoint; each download holds one while it lasts. */
const CONNECTIONS = 256;

/** Sends requests over connections that are kept for the next ones. No retries, no redirects. */
export interface Transport {
  send(request: WireRequest): Promise<WireAnswer>;
  close(): Promise<void>;
}

/**
 * @param authorities PEM certificates that are trusted besides the public ones
 * @param lookup resolves names in place of the system
 */
export function createTransport(authorities: readonly string[], lookup?: LookupFunction): Transport {
  let agent: Agent | undefined;
  return {
    async send({ method, url, headers, body, signal, answerMs }) {
      agent ??= new Agent({
        connections: CONNECTIONS,
        pipelining: 1,
        keepAliveTimeout: KEEP_ALIVE_MS,
        bodyTimeout: SILENCE_MS,
        connect: {
          timeout: CONNECT_MS,
          ...(lookup !== undefined && { lookup }),
          ...(authorities.length > 0 && { ca: [...rootCertificates, ...authorities] }),
        },
      });
      // `host` is undici's own business: it sends what the URL says, which is what was signed.
      const { host: _, ...rest } = headers;
      const answer = await request(url, {
        method,
        headers: rest,
        dispatcher: agent,
        headersTimeout: answerMs,
        // undici gives a connection up after each HEAD unless it is told not to.
        reset: false,
        ...(body !== undefined && { body }),
        ...(signal !== undefined && { signal }),
      });
      return { status: answer.statusCode, headers: answer.headers, body: answer.body };
    },
    close: async () => void await agent?.destroy(),
  };
}

export function headerOf(answer: Pick<WireAnswer, "headers">, name: string): string | undefined {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** An answer's text, of which no more than `mostBytes` is kept: the rest of a hostile one is not read. */
export async function readText(answer: WireAnswer, mostBytes = 16 << 20): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let sizeBytes = 0;
  for await (const chunk of answer.body) {
    sizeBytes += chunk.length;
    if (sizeBytes > mostBytes) {
      answer.body.destroy();
      throw new Error("the answer is too long");
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

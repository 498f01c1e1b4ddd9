import { createHash } from "node:crypto";
import type { CredentialStore } from "./credentials.ts";
import { codeOf, connectionWords } from "../connection_errors.ts";
import { asStorageError, isRefusal, refusalWords, S3Refusal } from "./errors.ts";
import type { S3Settings } from "./settings.ts";
import { EMPTY_HASH, encodePart, Signer } from "./signing.ts";
import { headerOf, readText, type Transport, type WireAnswer, type WireRequest } from "../transport.ts";
import { textIn } from "./xml.ts";
import { pause } from "../../../lib/pause.ts";

export interface S3Request {
  readonly method: WireRequest["method"];
  /** Object's key below `storage_path`; absent: the bucket itself. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
  /** How long the store may take beside the transfer of the body; the client's usual time without it. */
  readonly answerMs?: number;
  /** Tries in all; {@link TRIES} without it. */
  readonly tries?: number;
}

const ANSWER_MS = 20_000;
const TRIES = 5;
/** A store that took the request and fell silent is asked once more, no oftener: the client is waiting. */
const SILENT_TRIES = 2;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 3_000;
/** The slowest line over which a part is still given time to arrive. */
const SLOWEST_BYTES_PER_MS = 128;
/** Codes that name no fault of the request: the store asks for another try. */
const PASSING = new Set([
  "SlowDown",
  "ServiceUnavailable",
  "InternalError",
  "RequestTimeout",
  "OperationAborted",
  "TooManyRequests",
  "Throttling",
  // The body that arrived is not the one that was signed: damaged on the way.
  "XAmzContentSHA256Mismatch",
  "BadDigest",
  "IncompleteBody",
]);

/**
 * Signed requests to one bucket. What passes by itself (503 SlowDown, resets, silence) is tried again after a growing
 * pause; whatever else is wrong comes out as {@link S3Refusal} or as a failure in words, wrapped as `storage_unavailable`
 * or `storage_full`.
 */
export class S3Client {
  readonly #signer: Signer;
  readonly #base: URL;

  constructor(
    readonly settings: S3Settings,
    private readonly transport: Transport,
    private readonly credentials: CredentialStore,
    private readonly now: () => number,
    private readonly usualAnswerMs = ANSWER_MS,
  ) {
    this.#signer = new Signer("s3", settings.region);
    this.#base = baseOf(settings);
  }

  /** `host:port` for messages. */
  get host(): string {
    return this.settings.endpoint.host;
  }

  /** The key as S3 knows it. */
  fullKey(key: string): string {
    return this.settings.prefix === "" ? key : `${this.settings.prefix}/${key}`;
  }

  /** The successful answer (2xx), its body unread. @throws {AppError} */
  async send(request: S3Request): Promise<WireAnswer> {
    const payloadHash = request.body === undefined
      ? EMPTY_HASH
      : createHash("sha256").update(request.body).digest("hex");
    const tries = request.tries ?? TRIES;
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#sendOnce(request, payloadHash);
      } catch (error) {
        if (request.signal?.aborted) throw request.signal.reason;
        const silent = /TIMEOUT/.test(codeOf(error));
        if (!isPassing(error) || attempt >= (silent ? Math.min(tries, SILENT_TRIES) : tries)) {
          throw asStorageError(error);
        }
        await pause(pauseMs(attempt), request.signal);
      }
    }
  }

  /** As {@link send}, with the body as text. */
  async sendForText(request: S3Request): Promise<{ answer: WireAnswer; text: string }> {
    for (let attempt = 1;; attempt++) {
      const answer = await this.send(request);
      try {
        return { answer, text: await readText(answer) };
      } catch (error) {
        if (attempt >= TRIES) {
          throw asStorageError(new Error(connectionWords(this.host, error), { cause: error }));
        }
        await pause(pauseMs(attempt), request.signal);
      }
    }
  }

  /** An address that reads `key` for `seconds`. */
  async presign(key: string, seconds: number): Promise<URL> {
    return await this.#signer.presign(
      { method: "GET", url: this.#urlOf({ method: "GET", key }) },
      await this.credentials.get(),
      { nowMs: this.now(), seconds },
    );
  }

  async #sendOnce(request: S3Request, payloadHash: string): Promise<WireAnswer> {
    const { method, body, signal, answerMs = this.usualAnswerMs } = request;
    const url = this.#urlOf(request);
    const credentials = await this.credentials.get();
    const headers = await this.#signer.sign(
      { method, url, headers: request.headers ?? {}, payloadHash },
      credentials,
      this.now(),
    );
    const transferMs = (body?.length ?? 0) / SLOWEST_BYTES_PER_MS;
    let answer: WireAnswer;
    try {
      answer = await this.transport.send({
        method,
        url,
        headers,
        body,
        signal,
        answerMs: Math.ceil(answerMs + transferMs),
      });
    } catch (error) {
      throw signal?.aborted ? error : new Error(connectionWords(this.host, error), { cause: error });
    }
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw await this.#refusalOf(method, answer);
  }

  async #refusalOf(method: string, answer: WireAnswer): Promise<S3Refusal> {
    const text = await readText(answer, 64 << 10).catch(() => "");
    const { status } = answer;
    // HEAD has no body, hence no code.
    const code = textIn(text, "Code") ?? (method === "HEAD" && status === 404 ? "NoSuchKey" : "");
    const date = headerOf(answer, "date");
    const { bucket } = this.settings;
    const refusal = new S3Refusal(
      status,
      code,
      refusalWords({ host: this.host, bucket }, status, code, date, this.now()),
    );
    if (isRefusal(refusal, "ExpiredToken", "InvalidToken")) this.credentials.refused();
    return refusal;
  }

  #urlOf({ key, query = {} }: S3Request): URL {
    const url = new URL(this.#base);
    const path = key === undefined ? "" : this.fullKey(key).split("/").map(encodePart).join("/");
    const folder = url.pathname.replace(/\/$/, "");
    url.pathname = key === undefined ? folder || "/" : `${folder}/${path}`;
    url.search = Object.entries(query).map(([name, value]) => `${encodePart(name)}=${encodePart(value)}`)
      .join("&");
    return url;
  }
}

function baseOf({ endpoint, bucket, pathStyle }: S3Settings): URL {
  const url = new URL(endpoint);
  url.search = "";
  url.hash = "";
  if (pathStyle) url.pathname = `${url.pathname.replace(/\/$/, "")}/${encodePart(bucket)}`;
  else url.hostname = `${bucket}.${url.hostname}`;
  return url;
}

function isPassing(error: unknown): boolean {
  if (!(error instanceof S3Refusal)) return !(error instanceof Error && error.name === "AppError");
  return PASSING.has(error.code) || error.status === 429 ||
    (error.status >= 500 && error.status !== 501 && error.status !== 507);
}

/** Half of it, and by chance up to all of it: callers that failed together do not come back in one moment. */
function pauseMs(attempt: number): number {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
  return longest / 2 + Math.random() * longest / 2;
}

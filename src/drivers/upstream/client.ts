import { rootCertificates } from "node:tls";
import { algorithmOf, type Digest, digestOf, isDigest } from "../../oci/digest.ts";
import { MANIFEST_MAX_BYTES } from "../../oci/manifest.ts";
import { isMediaType, MANIFEST_MEDIA_TYPES, OCI_INDEX } from "../../oci/media_types.ts";
import { isTagName } from "../../oci/reference.ts";
import { basicHeader, readChallenge, readToken, type Token, tokenUrl } from "./authorization.ts";
import {
  type Upstream,
  type UpstreamBlob,
  type UpstreamDescriptor,
  UpstreamError,
  type UpstreamManifest,
  type UpstreamOptions,
} from "./driver.ts";
import { failureOfStatus } from "./failures.ts";
import { findBase, httpsBaseOf } from "./base.ts";
import { guarded, notJson, parseObject, readBounded, retriedInTime } from "./small_answers.ts";
import { type Answer, createTransport, discard, type Transport, type UpstreamSite } from "./transport.ts";

const ACCEPT_MANIFESTS = MANIFEST_MEDIA_TYPES.join(", ");
const PAGE_TAGS = 1000;
const PAGES_MAX = 1000;
const TAGS_MAX = 200_000;
const PAGE_BYTES = 16 * 1024 * 1024;
const TOKEN_BYTES = 1024 * 1024;
const REFERRERS_MAX = 1000;
/** Docker's short name for its registry, and where that is. */
const DOCKER_HUB = { name: "docker.io", host: "registry-1.docker.io" } as const;

/**
 * A client of one repository of an OCI or Docker v2 registry. OCI distribution-spec 1.1, the distribution project's token
 * authentication, Docker's fallback from HTTPS to HTTP for `verifyTls: false`.
 */
export async function connectUpstream(options: UpstreamOptions, site: UpstreamSite): Promise<Upstream> {
  const { registry, repository } = canonical(options);
  const base = httpsBaseOf(registry);
  const transport = createTransport(options, site, rootCertificates);
  const client = new UpstreamClient({ ...options, registry, repository }, site, transport, base);
  return await Promise.resolve(client);
}

function canonical({ registry, repository }: UpstreamOptions): { registry: string; repository: string } {
  if (registry !== DOCKER_HUB.name) return { registry, repository };
  return {
    registry: DOCKER_HUB.host,
    repository: repository.includes("/") ? repository : `library/${repository}`,
  };
}

class UpstreamClient implements Upstream {
  readonly #repository: string;
  readonly #scope: string;
  /** Known after the first answer: `verifyTls: false` allows HTTP. */
  #base: Promise<URL> | undefined;
  #authorization: { readonly header: string; readonly expiresMs: number } | undefined;
  #renewing: Promise<void> | undefined;

  constructor(
    readonly options: UpstreamOptions,
    readonly site: UpstreamSite,
    readonly transport: Transport,
    readonly httpsBase: URL,
  ) {
    this.#repository = options.repository;
    this.#scope = `repository:${options.repository}:pull`;
  }

  async listTags(signal: AbortSignal): Promise<string[]> {
    const names: string[] = [];
    let next: string | undefined = `tags/list?n=${PAGE_TAGS}`;
    for (let page = 0; next !== undefined; page++) {
      const { answer, text } = await this.#small(next, "list of tags", { limitBytes: PAGE_BYTES }, signal);
      const { tags } = parseObject(text, answer) as { tags?: unknown };
      if (tags !== undefined && tags !== null && !Array.isArray(tags)) throw notJson(answer);
      for (const tag of tags ?? []) if (typeof tag === "string" && isTagName(tag)) names.push(tag);
      if (page >= PAGES_MAX || names.length > TAGS_MAX) {
        throw new UpstreamError("lied", `${answer.url.host} lists more than ${TAGS_MAX} tags`);
      }
      next = nextPage(answer);
    }
    return [...new Set(names)];
  }

  async headManifest(reference: string, signal: AbortSignal, known?: Digest): Promise<Digest | undefined> {
    const headers = { accept: ACCEPT_MANIFESTS, ...(known && { "if-none-match": `"${known}"` }) };
    return await this.#retried(signal, async (own) => {
      const what = `manifest ${reference}`;
      const answer = await this.#ask("HEAD", `manifests/${reference}`, headers, own);
      await discard(answer);
      if (answer.status === 304 && known !== undefined) return known;
      if (answer.status === 405) return undefined;
      if (answer.status !== 200) throw this.#failure(answer, what);
      const digest = answer.header("docker-content-digest");
      return digest !== undefined && isDigest(digest) ? digest : undefined;
    });
  }

  async getManifest(reference: string, signal: AbortSignal): Promise<UpstreamManifest> {
    return await this.#retried(signal, async (own) => {
      const answer = await this.#ask("GET", `manifests/${reference}`, { accept: ACCEPT_MANIFESTS }, own);
      if (answer.status !== 200) {
        await discard(answer);
        throw this.#failure(answer, `manifest ${reference}`);
      }
      const bytes = await readBounded(answer, MANIFEST_MAX_BYTES, own);
      const promised = isDigest(reference) ? reference : answer.header("docker-content-digest") ?? "";
      const digest = digestOf(bytes, isDigest(promised) ? algorithmOf(promised) : "sha256");
      if (isDigest(promised) && digest !== promised) {
        throw new UpstreamError("lied", `${answer.url.host} sends another manifest than ${promised}`, {
          passing: true,
        });
      }
      const mediaType = (answer.header("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase();
      return { digest, mediaType, bytes };
    });
  }

  async listReferrers(subject: Digest, signal: AbortSignal): Promise<UpstreamDescriptor[] | undefined> {
    const found: UpstreamDescriptor[] = [];
    let next: string | undefined = `referrers/${subject}`;
    for (let page = 0; next !== undefined; page++) {
      const options = { limitBytes: MANIFEST_MAX_BYTES, accept: OCI_INDEX, absent: [400, 404, 405, 501] };
      const { answer, text } = await this.#small(next, "list of referrers", options, signal);
      // Quay answers 400 for a subject that it does not know; all others mean that there is no such API.
      if (answer.status === 400) return found;
      if (answer.status !== 200) return undefined;
      const { manifests } = parseObject(text, answer) as { manifests?: unknown };
      if (!Array.isArray(manifests)) throw notJson(answer);
      found.push(...manifests.flatMap(descriptorOf));
      if (found.length > REFERRERS_MAX || page >= PAGES_MAX) {
        throw new UpstreamError(
          "lied",
          `${answer.url.host} lists more than ${REFERRERS_MAX} referrers of one image`,
        );
      }
      next = nextPage(answer);
    }
    return found;
  }

  async openBlob(digest: Digest, offset: number, signal: AbortSignal): Promise<UpstreamBlob> {
    const range = offset === 0 ? {} : { range: `bytes=${offset}-` };
    // The whole body may take hours: only silence ends it, and the caller's signal.
    const answer = await this.#ask("GET", `blobs/${digest}`, range, signal);
    const { host } = answer.url;
    if (answer.status === 206) {
      const start = /^bytes (\d{1,16})-/.exec(answer.header("content-range") ?? "")?.[1];
      if (Number(start) === offset) return { startsAt: offset, bytes: guarded(answer, signal) };
      answer.body.destroy();
      throw new UpstreamError("lied", `${host} sends another part of the blob than was asked for`);
    }
    if (answer.status === 200) return { startsAt: 0, bytes: guarded(answer, signal) };
    await discard(answer);
    if (answer.status === 416) throw new UpstreamError("lied", `${host} has a shorter blob than it says`);
    throw this.#failure(answer, `blob ${digest}`);
  }

  async greets(signal: AbortSignal): Promise<boolean> {
    const { credentials } = this.options;
    try {
      return await this.#retried(signal, async (own) => {
        const answer = await this.#ask("GET", "/v2/", {}, own);
        await discard(answer);
        if (answer.status === 200) return true;
        throw this.#failure(answer, "its registry API");
      });
    } catch (error) {
      const isClosed = error instanceof UpstreamError && error.failure === "unauthorized";
      if (isClosed && credentials === undefined) return false;
      throw error;
    }
  }

  close(): Promise<void> {
    return this.transport.close();
  }

  /** A whole answer in memory. @param options.absent statuses that are an answer, too */
  async #small(
    path: string,
    what: string,
    options: { limitBytes: number; accept?: string; absent?: readonly number[] },
    signal: AbortSignal,
  ): Promise<{ answer: Answer; text: string }> {
    return await this.#retried(signal, async (own) => {
      const headers = { accept: options.accept ?? "application/json" };
      const answer = await this.#ask("GET", path, headers, own);
      if (options.absent?.includes(answer.status)) {
        await discard(answer);
        return { answer, text: "" };
      }
      if (answer.status !== 200) {
        await discard(answer);
        throw this.#failure(answer, what);
      }
      return { answer, text: new TextDecoder().decode(await readBounded(answer, options.limitBytes, own)) };
    });
  }

  #retried<T>(signal: AbortSignal, attempt: (own: AbortSignal) => Promise<T>): Promise<T> {
    return retriedInTime(this.site, { host: this.httpsBase.host, ...this.options }, signal, attempt);
  }

  /** One request to the repository, with credentials; a refusal renews them once. */
  async #ask(
    method: "GET" | "HEAD",
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Answer> {
    const base = await (this.#base ??= findBase(this.transport, this.options, signal).catch((error) => {
      this.#base = undefined;
      throw error;
    }));
    const url = path.startsWith("/") ? new URL(path, base) : new URL(`/v2/${this.#repository}/${path}`, base);
    for (let renewed = false;; renewed = true) {
      if (this.#authorization && this.#authorization.expiresMs <= this.site.now()) {
        this.#authorization = undefined;
      }
      const used = this.#authorization;
      const answer = await this.transport.send(method, url, {
        "user-agent": "quaylet",
        "accept-encoding": "identity",
        ...headers,
        ...(used === undefined ? {} : { authorization: used.header }),
      }, signal);
      if (answer.status !== 401 || renewed || answer.url.origin !== url.origin) return answer;
      await discard(answer);
      // Of several requests that are refused at once, one renews for all.
      if (this.#authorization === used) {
        await (this.#renewing ??= this.#renew(answer, signal).finally(() => this.#renewing = undefined));
      }
    }
  }

  async #renew(refusal: Answer, signal: AbortSignal): Promise<void> {
    const challenge = readChallenge(refusal.header("www-authenticate"));
    const { credentials, verifyTls } = this.options;
    const { url } = refusal;
    if (challenge === undefined) throw this.#failure(refusal, `repository ${this.#repository}`);
    if (challenge.scheme === "basic") {
      if (credentials === undefined) {
        throw new UpstreamError("unauthorized", `${url.host} asks for a user name and a password (401)`);
      }
      this.#authorization = { header: basicHeader(credentials), expiresMs: Infinity };
      return;
    }
    const { token, expiresMs } = await this.#fetchToken(
      tokenUrl(challenge, url, this.#scope, verifyTls),
      signal,
    );
    this.#authorization = { header: `Bearer ${token}`, expiresMs };
  }

  async #fetchToken(url: URL, signal: AbortSignal): Promise<Token> {
    const { credentials } = this.options;
    const answer = await this.transport.send("GET", url, {
      "user-agent": "quaylet",
      accept: "application/json",
      "accept-encoding": "identity",
      ...(credentials === undefined ? {} : { authorization: basicHeader(credentials) }),
    }, signal);
    if (answer.status !== 200) {
      await discard(answer);
      throw this.#failure(answer, `token for ${this.#repository}`);
    }
    const text = new TextDecoder().decode(await readBounded(answer, TOKEN_BYTES, signal));
    return readToken(text, url.host, this.site.now());
  }

  #failure(answer: Answer, what: string): UpstreamError {
    const details = { host: answer.url.host, what, retryAfter: answer.header("retry-after") };
    if (answer.status === 401 && this.options.credentials === undefined) {
      return new UpstreamError(
        "unauthorized",
        `${details.host} lets nobody read ${what} without credentials (401)`,
      );
    }
    return failureOfStatus(answer.status, details, this.site.now());
  }
}

/** Path and query of `Link: <…>; rel="next"`, always on the same host: credentials go along. */
function nextPage(answer: Answer): string | undefined {
  const target = /<([^>]{1,4096})>\s*;[^,]*\brel="?next\b/i.exec(answer.header("link") ?? "")?.[1];
  const url = target === undefined ? null : URL.parse(target, answer.url);
  return url === null ? undefined : `${url.pathname}${url.search}`;
}

function descriptorOf(value: unknown): UpstreamDescriptor[] {
  const { digest, mediaType, size, artifactType } = (value ?? {}) as Record<string, unknown>;
  if (
    typeof digest !== "string" || !isDigest(digest) || typeof mediaType !== "string" ||
    !isMediaType(mediaType)
  ) {
    return [];
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return [];
  return [{
    digest,
    mediaType,
    sizeBytes: size,
    ...(typeof artifactType === "string" ? { artifactType } : {}),
  }];
}

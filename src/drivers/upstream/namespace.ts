import { rootCertificates } from "node:tls";
import { basicHeader } from "./authorization.ts";
import { findBase, httpsBaseOf } from "./base.ts";
import { type NamespaceOptions, UpstreamError, type UpstreamNamespace } from "./driver.ts";
import { failureOfStatus } from "./failures.ts";
import { readBounded, retriedInTime } from "./small_answers.ts";
import { type Answer, createTransport, discard, type Transport, type UpstreamSite } from "./transport.ts";

const PAGES_MAX = 1000;
const NAMES_MAX = 50_000;
const NAME_LENGTH = 1024;
const PAGE_BYTES = 4 * 1024 * 1024;
const TOKEN_LENGTH = 8192;
/** Harbor's largest. */
const HARBOR_PAGE = 100;

/** One page of a list, and where the next one is. */
interface Page {
  /** Without the namespace. */
  readonly names: readonly string[];
  /** Entries of the page, also those that are no images. */
  readonly entries: number;
  /** Path and query; absent after the last page. */
  readonly next?: string;
  /** How many entries there are in all, where that is told. */
  readonly total?: number;
}

/** How a product's API is asked, and read. */
interface Listing {
  readonly first: string;
  readonly authorization: string | undefined;
  /** @param pages read so far, this one among them. @throws {UpstreamError} */
  read(value: unknown, answer: Answer, pages: number): Page;
}

/** What is in a namespace of Quay (API v1) or in a project of Harbor (API v2.0). */
export async function connectNamespace(
  options: NamespaceOptions,
  site: UpstreamSite,
): Promise<UpstreamNamespace> {
  const { host } = httpsBaseOf(options.registry);
  const listing = options.product === "quay" ? listingOfQuay(options) : listingOfHarbor(options);
  const transport = createTransport(options, site, rootCertificates);
  return await Promise.resolve(new NamespaceClient(options, site, transport, listing, host));
}

class NamespaceClient implements UpstreamNamespace {
  #base: URL | undefined;

  constructor(
    readonly options: NamespaceOptions,
    readonly site: UpstreamSite,
    readonly transport: Transport,
    readonly listing: Listing,
    readonly host: string,
  ) {}

  async listRepositories(signal: AbortSignal): Promise<string[]> {
    const names = new Set<string>();
    let entries = 0;
    let next: string | undefined = this.listing.first;
    for (let pages = 1; next !== undefined; pages++) {
      const page: Page = await this.#read(next, pages, signal);
      for (const name of page.names) names.add(name);
      entries += page.entries;
      if (entries > NAMES_MAX || pages > PAGES_MAX) {
        const most = entries > NAMES_MAX ? `${NAMES_MAX} repositories` : `${PAGES_MAX} pages`;
        throw new UpstreamError("lied", `${this.host} lists more than ${most}`);
      }
      next = page.next;
      // What is missing from a list would be taken for gone.
      if (next === undefined && page.total !== undefined && entries < page.total) {
        throw new UpstreamError("lied", `${this.host} lists ${entries} of ${page.total} repositories`);
      }
    }
    return [...names];
  }

  async probe(signal: AbortSignal): Promise<void> {
    await this.#read(this.listing.first, 1, signal);
  }

  close(): Promise<void> {
    return this.transport.close();
  }

  async #read(path: string, pages: number, signal: AbortSignal): Promise<Page> {
    const { timeoutMs } = this.options;
    return await retriedInTime(this.site, { host: this.host, timeoutMs }, signal, async (own) => {
      this.#base ??= await findBase(this.transport, this.options, own);
      const { authorization } = this.listing;
      const answer = await this.transport.send("GET", new URL(path, this.#base), {
        "user-agent": "quaylet",
        accept: "application/json",
        "accept-encoding": "identity",
        ...(authorization === undefined ? {} : { authorization }),
      }, own);
      if (answer.status !== 200) {
        await discard(answer);
        throw this.#failure(answer);
      }
      const text = new TextDecoder().decode(await readBounded(answer, PAGE_BYTES, own));
      return this.listing.read(parsed(text), answer, pages);
    });
  }

  #failure(answer: Answer): UpstreamError {
    const { product, namespace, credentials } = this.options;
    const { host } = answer.url;
    const what = `the repositories of ${namespace}`;
    if (answer.status === 401 && product === "quay" && credentials !== undefined) {
      return new UpstreamError(
        "unauthorized",
        `${host} does not take the password for ${what} (401): Quay lists them for an OAuth token with the scope ` +
          "repo:read, with the user name $oauthtoken",
      );
    }
    const details = { host, what, retryAfter: answer.header("retry-after") };
    return failureOfStatus(answer.status, details, this.site.now());
  }
}

/** Quay's API knows OAuth tokens only; whoever has none sees what is public. */
function listingOfQuay({ namespace, credentials }: NamespaceOptions): Listing {
  const token = credentials?.password;
  if (token !== undefined && !isToken(token)) {
    throw new UpstreamError("unauthorized", "the password is no OAuth token, which Quay wants here");
  }
  const query = new URLSearchParams({ namespace, ...(token === undefined ? { public: "true" } : {}) });
  const pathOf = (more: Record<string, string>) =>
    `/api/v1/repository?${new URLSearchParams([...query, ...Object.entries(more)])}`;
  return {
    first: pathOf({}),
    authorization: token === undefined ? undefined : `Bearer ${token}`,
    read(value, answer) {
      const { repositories, next_page: next } = (value ?? {}) as Record<string, unknown>;
      if (!Array.isArray(repositories)) throw noListing(answer, "Quay");
      const names = repositories.map((entry) => quayName(entry, namespace, answer));
      return {
        names: names.filter((name) => name !== undefined),
        entries: repositories.length,
        ...(typeof next === "string" && next !== "" ? { next: pathOf({ next_page: next }) } : {}),
      };
    },
  };
}

/** `undefined` for what is no image repository of the namespace. */
function quayName(entry: unknown, wanted: string, answer: Answer): string | undefined {
  const { name, namespace, kind } = (entry ?? {}) as Record<string, unknown>;
  if (!isName(name)) throw noListing(answer, "Quay");
  const isOther = typeof namespace === "string" && namespace !== wanted;
  return isOther || kind === "application" ? undefined : name;
}

function listingOfHarbor({ namespace, credentials }: NamespaceOptions): Listing {
  const pathOf = (page: number) =>
    `/api/v2.0/projects/${encodeURIComponent(namespace)}/repositories?page=${page}&page_size=${HARBOR_PAGE}`;
  const prefix = `${namespace}/`;
  return {
    first: pathOf(1),
    authorization: credentials && basicHeader(credentials),
    read(value, answer, pages) {
      if (!Array.isArray(value)) throw noListing(answer, "Harbor");
      const names = value.map((entry) => {
        const { name } = (entry ?? {}) as Record<string, unknown>;
        if (!isName(name)) throw noListing(answer, "Harbor");
        return name;
      });
      // A proxy may leave the header out: a full page is followed by another.
      const hasNext = value.length === HARBOR_PAGE ||
        value.length > 0 && /;\s*rel="?next\b/i.test(answer.header("link") ?? "");
      const total = /^\d{1,9}$/.exec(answer.header("x-total-count") ?? "")?.[0];
      return {
        names: names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length)),
        entries: value.length,
        ...(hasNext ? { next: pathOf(pages + 1) } : {}),
        ...(total === undefined ? {} : { total: Number(total) }),
      };
    },
  };
}

function isName(name: unknown): name is string {
  return typeof name === "string" && name.length <= NAME_LENGTH;
}

function isToken(text: string): boolean {
  return text.length <= TOKEN_LENGTH && /^[\x21-\x7e]+$/.test(text);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function noListing({ url }: Answer, product: string): UpstreamError {
  return new UpstreamError("lied", `${url.host} does not list repositories as ${product} does: is it one?`);
}

import { lookup as resolve } from "node:dns/promises";
import { isIP } from "node:net";
import { Agent, type Dispatcher, ProxyAgent, request } from "undici";
import { UpstreamError, type UpstreamOptions } from "./driver.ts";
import { asUpstreamError } from "./failures.ts";

/** What this site gives every connection to another registry. */
export interface UpstreamSite {
  /** Certificates of authorities beside the well-known ones, PEM. */
  readonly extraCas: readonly string[];
  /** Whether that address may be dialled when `host` was asked for (`SSRF_ALLOWED_HOSTS`). */
  isReachable(host: string, address: string): boolean;
  /** Of the process's environment; a mirror's own settings come first. */
  readonly proxy: UpstreamOptions["proxy"];
  /** First pause before a request is tried again; it doubles. */
  readonly firstPauseMs?: number;
  /** A connection on which nothing comes for so long is given up. */
  readonly silenceMs?: number;
  readonly now: () => number;
}

const CONNECT_MS = 15_000;
const SILENCE_MS = 30_000;
const CONNECTIONS = 16;
const REDIRECTS = 5;
const HEADER_BYTES = 32 * 1024;

export interface Answer {
  readonly status: number;
  /** Lower-case names; of repeated ones the first. */
  header(name: string): string | undefined;
  readonly body: Dispatcher.ResponseData["body"];
  /** After redirects. */
  readonly url: URL;
}

/** HTTP to one other registry and to wherever it redirects: proxies, authorities, guarded addresses, no retries. */
export interface Transport {
  /**
   * Follows redirects; `authorization` goes to the first origin only.
   * @throws {UpstreamError}
   */
  send(
    method: "GET" | "HEAD",
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Answer>;
  close(): Promise<void>;
}

export function createTransport(
  options: Pick<UpstreamOptions, "verifyTls" | "proxy">,
  site: UpstreamSite,
  systemCas: readonly string[],
): Transport {
  const tls = {
    rejectUnauthorized: options.verifyTls,
    ...(site.extraCas.length === 0 ? {} : { ca: [...systemCas, ...site.extraCas] }),
  };
  const silenceMs = site.silenceMs ?? SILENCE_MS;
  const common = {
    connections: CONNECTIONS,
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    maxHeaderSize: HEADER_BYTES,
    allowH2: false,
  };
  const lookup = guardedLookup(site);
  const connect = { timeout: Math.min(CONNECT_MS, silenceMs), lookup } as const;
  const dispatchers = new Map<string, Dispatcher>();
  const checked = new Set<string>();
  const direct = new Agent({ ...common, connect: { ...connect, ...tls } });
  dispatchers.set("", direct);

  function dispatcherFor(url: URL): Dispatcher {
    const proxy = proxyFor(url, options.proxy, site.proxy);
    const dialled = (proxy ?? url).hostname;
    if (!checked.has(dialled)) {
      checkLiteral(site, dialled);
      checked.add(dialled);
    }
    if (proxy === undefined) return direct;
    const known = dispatchers.get(proxy.href);
    if (known !== undefined) return known;
    // The proxy resolves the registry's name; what we dial, and guard, is the proxy.
    const made = new ProxyAgent({
      ...common,
      uri: proxy.href,
      proxyTunnel: false,
      requestTls: { ...tls, timeout: connect.timeout },
      proxyTls: { ...connect, ...tls },
      connect,
    } as ProxyAgent.Options);
    dispatchers.set(proxy.href, made);
    return made;
  }

  async function once(
    method: "GET" | "HEAD",
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Answer> {
    try {
      // undici gives a connection up after each HEAD unless it is told not to.
      const answer = await request(url, {
        method,
        headers,
        signal,
        dispatcher: dispatcherFor(url),
        reset: false,
      });
      return {
        status: answer.statusCode,
        header: (name) => {
          const value = answer.headers[name];
          return Array.isArray(value) ? value[0] : value;
        },
        body: answer.body,
        url,
      };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw asUpstreamError(error, url.host);
    }
  }

  return {
    async send(method, first, headers, signal) {
      let url = first;
      let sent = headers;
      for (let hops = 0;; hops++) {
        const answer = await once(method, url, sent, signal);
        if (![301, 302, 303, 307, 308].includes(answer.status)) return answer;
        await discard(answer);
        const target = targetOf(answer, options.verifyTls);
        if (hops === REDIRECTS) {
          throw new UpstreamError("lied", `${first.host} redirects more than ${REDIRECTS} times`);
        }
        if (target.origin !== url.origin) {
          const { authorization: _secret, ...others } = sent;
          sent = others;
        }
        url = target;
      }
    },
    close: async () => void await Promise.all([...dispatchers.values()].map((one) => one.destroy())),
  };
}

/** Reads a body's rest away, so that the connection can be used again; a long one is cut off. */
export async function discard({ body }: Pick<Answer, "body">): Promise<void> {
  await body.dump({ limit: 64 * 1024 }).catch(() => {});
}

function targetOf(answer: Answer, verifyTls: boolean): URL {
  const { url } = answer;
  const location = answer.header("location");
  const target = location === undefined ? null : URL.parse(location, url);
  if (target === null || target.protocol !== "https:" && target.protocol !== "http:") {
    throw new UpstreamError("lied", `${url.host} redirects to nowhere`);
  }
  if (url.protocol === "https:" && target.protocol === "http:" && verifyTls) {
    throw new UpstreamError("tls", `${url.host} redirects from HTTPS to plain HTTP at ${target.host}`);
  }
  target.username = target.password = "";
  return target;
}

/** Names are resolved here, and every address is looked at before it is dialled. */
function guardedLookup(site: UpstreamSite) {
  return (
    host: string,
    options: { all?: boolean; family?: number | "IPv4" | "IPv6" },
    done: (error: Error | null, address?: unknown, family?: number) => void,
  ): void => {
    resolve(host, { all: true }).then((found) => {
      if (!found.every(({ address }) => site.isReachable(host, address))) throw refused(host);
      const family = options.family === "IPv4" ? 4 : options.family === "IPv6" ? 6 : options.family ?? 0;
      const usable = found.filter((one) => family === 0 || one.family === family);
      const [first] = usable;
      if (first === undefined) throw Object.assign(new Error("no address"), { code: "ENOTFOUND" });
      if (options.all) done(null, usable);
      else done(null, first.address, first.family);
    }).catch((error) => done(error));
  };
}

/** A connection to a literal address asks no resolver. */
function checkLiteral(site: UpstreamSite, hostname: string): void {
  const bare = hostname.replace(/^\[|\]$/g, "");
  if (isIP(bare) !== 0 && !site.isReachable(bare, bare)) throw refused(hostname);
}

function refused(host: string): UpstreamError {
  return new UpstreamError(
    "refused",
    `${host} is an address inside this network; an administrator can allow it in SSRF_ALLOWED_HOSTS`,
  );
}

function proxyFor(url: URL, own: UpstreamOptions["proxy"], site: UpstreamOptions["proxy"]): URL | undefined {
  const isTls = url.protocol === "https:";
  const chosen = (isTls ? own.httpsProxy : own.httpProxy) || (isTls ? site.httpsProxy : site.httpProxy);
  if (!chosen || isExempt(url, own.noProxy ?? site.noProxy ?? "")) return undefined;
  const proxy = URL.parse(chosen.includes("://") ? chosen : `http://${chosen}`);
  if (proxy === null || proxy.protocol !== "http:" && proxy.protocol !== "https:") {
    throw new UpstreamError("connection", "the proxy's address is no URL of the form http://host:port");
  }
  return proxy;
}

/** `NO_PROXY` as curl and Go read it: `*`, names with everything below them, addresses, each with an optional port. */
function isExempt(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list.split(",").map((entry) => entry.trim().toLowerCase()).filter(Boolean).some((entry) => {
    if (entry === "*") return true;
    const match = /^(?:\[(.+)\]|([^:]+)|([0-9a-f:.]+))(?::(\d+))?$/.exec(entry);
    const name = (match?.[1] ?? match?.[2] ?? match?.[3] ?? entry).replace(/^\*?\./, "");
    if (match?.[4] !== undefined && match[4] !== port) return false;
    return host === name || host.endsWith(`.${name}`);
  });
}

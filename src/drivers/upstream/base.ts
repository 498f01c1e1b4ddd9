import { UpstreamError, type UpstreamOptions } from "./driver.ts";
import { asUpstreamError } from "./failures.ts";
import { discard, type Transport } from "./transport.ts";

/** @throws {UpstreamError} when `registry` is no `host[:port]` */
export function httpsBaseOf(registry: string): URL {
  const base = URL.parse(`https://${registry}`);
  if (base === null || base.host !== registry.toLowerCase().replace(/:443$/, "") || base.pathname !== "/") {
    throw new UpstreamError("dns", `"${registry}" is no host[:port]`);
  }
  return base;
}

/** HTTPS, or HTTP where that is allowed and HTTPS is not spoken. */
export async function findBase(
  transport: Transport,
  { registry, verifyTls }: Pick<UpstreamOptions, "registry" | "verifyTls">,
  signal: AbortSignal,
): Promise<URL> {
  const httpsBase = httpsBaseOf(registry);
  if (verifyTls) return httpsBase;
  const ping = async (base: URL) => {
    await discard(await transport.send("GET", new URL("/v2/", base), { "user-agent": "quaylet" }, signal));
    return base;
  };
  try {
    return await ping(httpsBase);
  } catch (error) {
    const { failure } = asUpstreamError(error, httpsBase.host);
    if (failure !== "tls" && failure !== "connection") throw error;
    // Not `protocol =`: the port 443 of an https URL would go with it.
    const plain = new URL(`http://${registry}`);
    return await ping(plain).catch((second) => {
      throw failure === "tls" ? second : error;
    });
  }
}

import { type IpVersion, Listener, refuseIpv4, reservePort, wildcard } from "./http/listeners.ts";
import { metricsHandler } from "./http/metrics.ts";
import { type Address, formatUrl } from "./lib/address.ts";
import type { Logger } from "./lib/logger.ts";

/** Serves Prometheus. @param source.collect one snapshot a thread */
export function serveMetrics(
  address: Address,
  version: IpVersion,
  source: { collect(): Promise<object[]>; readonly log: Logger },
): { url: string; stop(): Promise<void> } {
  const { spec, release } = reservePort({
    surface: "http",
    hostname: address.hostname ?? wildcard(version),
    port: address.port,
  });
  const refusal = version === "IPv6" && spec.hostname === "::" ? refuseIpv4(spec.port) : undefined;
  const listener = new Listener(spec, metricsHandler(source));
  release();
  return {
    url: formatUrl("http", spec.hostname, spec.port),
    stop: async () => {
      refusal?.close();
      await listener.stop();
    },
  };
}

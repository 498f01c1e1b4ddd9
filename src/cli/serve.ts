import { parseArgs } from "node:util";
import { startAppliance } from "../appliance.ts";
import { parseAddress } from "../lib/address.ts";
import { PLACE_FLAGS, PLACE_HELP, resolvePlace } from "../lib/place.ts";
import type { Command } from "./cli.ts";
import { EXIT } from "./io.ts";

export const serveCommand: Command = {
  name: "serve",
  summary: "run the appliance: database, registry, API, metrics, workers",
  help:
    `usage: quaylet serve [--data DIR] [--config DIR] [--http ADDR] [--https ADDR] [--metrics ADDR] [--log json|text]

${PLACE_HELP}
  --http ADDR    plain HTTP (default :8080)
  --https ADDR   TLS (default :8443, when ssl.cert and ssl.key are in the config folder)
  --metrics ADDR Prometheus (default :9091)
  --log FORMAT   json (one object a line) or text (default: text on a terminal, else json)
  --log-level L  debug, info, warn or error (default info)

ADDR is host:port, [v6]:port or :port; port 0 takes a free one. Without a host, FEATURE_LISTEN_IP_VERSION decides.
Each listener logs one line {"msg":"listening","surface":"http","url":"http://[::]:8080"} once it accepts.

SIGTERM and SIGINT finish running requests (30 s at most) and end with status 0; SIGHUP reads ssl.cert and ssl.key.
Exit codes: 0 stopped as asked, 1 could not start or a part failed for good, 2 wrong usage.`,

  async run(args, io) {
    const { values } = parseArgs({
      args,
      options: {
        ...PLACE_FLAGS,
        http: { type: "string", default: ":8080" },
        https: { type: "string", default: ":8443" },
        metrics: { type: "string", default: ":9091" },
        log: { type: "string", default: Deno.stdout.isTerminal() ? "text" : "json" },
        "log-level": { type: "string", default: "info" },
      },
    });
    const appliance = await startAppliance({
      place: resolvePlace(values),
      http: parseAddress(values.http),
      https: parseAddress(values.https),
      metrics: parseAddress(values.metrics),
      logging: { format: oneOf("--log", values.log, ["json", "text"]), level: logLevel(values["log-level"]) },
      env: io.env,
      startWorker: (name) => new Worker(Deno.mainModule, { type: "module", name }),
    });
    if (appliance === undefined) return EXIT.failed;
    return await appliance.ended === "stopped" ? EXIT.ok : EXIT.failed;
  },
};

export function logLevel(value: string) {
  return oneOf("--log-level", value, ["debug", "info", "warn", "error"]);
}

export function oneOf<const T extends string>(flag: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new RangeError(`${flag} is one of ${allowed.join(", ")}, not "${value}"`);
  return found;
}

import { parseArgs } from "node:util";
import { parseAddress } from "../lib/address.ts";
import { PLACE_FLAGS, PLACE_HELP, resolvePlace } from "../lib/place.ts";
import { runMirrorNode } from "../mirror_node.ts";
import type { Command } from "./cli.ts";
import { EXIT } from "./io.ts";
import { logLevel, oneOf } from "./serve.ts";

export const repomirrorCommand: Command = {
  name: "repomirror",
  summary: "run only the mirroring worker, beside other nodes on the same database",
  help: `usage: quaylet repomirror [--data DIR] [--config DIR] [--metrics ADDR] [--log json|text]

Mirrors repositories, REPO_MIRROR_PARALLEL at once, and does nothing else. Needs FEATURE_REPO_MIRROR or FEATURE_ORG_MIRROR, DB_URI, and the storage
that the other nodes use. Any number of them share the work; what one leaves behind when it dies another takes up
within a minute. "quaylet serve" mirrors as well, without it.

${PLACE_HELP}
  --metrics ADDR Prometheus (default :9091)
  --log FORMAT   json (one object a line) or text (default: text on a terminal, else json)
  --log-level L  debug, info, warn or error (default info)

SIGTERM and SIGINT keep what has come and end with status 0.
Exit codes: 0 stopped as asked, 1 could not start, 2 wrong usage.`,

  async run(args, io) {
    const { values } = parseArgs({
      args,
      options: {
        ...PLACE_FLAGS,
        metrics: { type: "string", default: ":9091" },
        log: { type: "string", default: Deno.stdout.isTerminal() ? "text" : "json" },
        "log-level": { type: "string", default: "info" },
      },
    });
    const ended = await runMirrorNode({
      place: resolvePlace(values),
      metrics: parseAddress(values.metrics),
      logging: { format: oneOf("--log", values.log, ["json", "text"]), level: logLevel(values["log-level"]) },
      env: io.env,
    });
    return ended === "stopped" ? EXIT.ok : EXIT.failed;
  },
};

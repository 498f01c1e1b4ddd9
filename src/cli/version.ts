import { parseArgs } from "node:util";
import { versionInfo } from "../lib/version.ts";
import type { Command } from "./cli.ts";
import { EXIT } from "./io.ts";

export const versionCommand: Command = {
  name: "version",
  summary: "which Quaylet this is, and how it is packed",
  help: `usage: quaylet version [--json]`,
  run(args, io) {
    const { values } = parseArgs({ args, options: { json: { type: "boolean", default: false } } });
    const info = versionInfo(io.env);
    io.stdout(
      values.json
        ? `${JSON.stringify(info)}\n`
        : `quaylet ${info.version} (${info.commit}, ${info.kind}, deno ${info.deno}, ${info.target})\n`,
    );
    return Promise.resolve(EXIT.ok);
  },
};

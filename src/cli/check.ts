import { parseArgs } from "node:util";
import { ipv6LiteralAdvice, parseServerHostname } from "../config/hostname.ts";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import { PLACE_FLAGS, PLACE_HELP, resolvePlace } from "../lib/place.ts";
import { checkCertificates } from "./check_certificates.ts";
import { checkDatabase } from "./check_database.ts";
import { checkFolders } from "./check_folders.ts";
import type { Command } from "./cli.ts";
import { checkObjectStores } from "./check_object_stores.ts";
import type { Finding } from "./finding.ts";
import { EXIT, type Io } from "./io.ts";

export const checkCommand: Command = {
  name: "check",
  summary:
    "say what is wrong with configuration, database, storage, certificates and disk, and how to mend it",
  help: `usage: quaylet check [--config DIR] [--data DIR] [--json]

${PLACE_HELP}
  --json         print all findings as one JSON object

Changes nothing. Run it as the user that runs the appliance, so that it meets the same permissions.
Exit codes: 0 fine (there may be warnings), 1 problems, 2 wrong usage.`,
  run: runCheck,
};

/** `quaylet check`: see its help. @throws {RangeError} on wrong usage */
export async function runCheck(args: string[], io: Pick<Io, "stdout" | "stderr" | "env">): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { ...PLACE_FLAGS, json: { type: "boolean", default: false } },
  });
  const { configDir, dataDir } = resolvePlace(values);
  const loaded = await loadConfig({ configDir, dataDir, env: io.env, keepSecrets: false });
  const findings = [...configFindings(loaded, configDir), ...hostnameFindings(loaded)];
  const { config } = loaded;
  // What a refused key is about cannot be judged by its default.
  const refused = (key: string) =>
    loaded.problems.some((problem) =>
      [key, "config.yaml"].includes(problem.key) || problem.key.startsWith(`${key}.`)
    );
  findings.push(...await checkCertificates(configDir, config, Date.now()));
  if (!refused("DB_URI")) {
    findings.push(...await checkDatabase(dataDir, config, io.env));
  }
  if (!refused("DISTRIBUTED_STORAGE_CONFIG")) {
    findings.push(...await checkFolders(dataDir, config));
    findings.push(...await checkObjectStores(configDir, config));
  }
  const ok = !findings.some(({ level }) => level === "problem");
  if (values.json) io.stdout(`${JSON.stringify({ ok, configDir: configDir ?? null, dataDir, findings })}\n`);
  else io.stdout(render(findings, ok));
  return ok ? EXIT.ok : EXIT.failed;
}

function configFindings(
  { problems, notices, hasFile }: LoadedConfig,
  configDir: string | undefined,
): Finding[] {
  const subject = "config";
  const source = hasFile ? `${configDir}/config.yaml` : "No config.yaml: embedded defaults";
  const summary: Finding = problems.length > 0
    ? { subject, level: "note", message: `${source}: the start would be refused.` }
    : { subject, level: "ok", message: `${source}${hasFile ? " is in order." : "."}` };
  const levels = {
    unknown: "warning",
    repeated: "warning",
    advice: "warning",
    not_acted_on: "note",
    not_needed: "note",
  } as const;
  return [
    summary,
    ...problems.map((problem): Finding => ({ subject, level: "problem", ...problem })),
    // What kind of name the host name is, is a finding of its own.
    ...notices.filter(({ key, kind }) => key !== "SERVER_HOSTNAME" || kind !== "advice").map(
      ({ key, kind, message }): Finding => ({ subject, level: levels[kind], key, message }),
    ),
  ];
}

function hostnameFindings({ config, problems }: LoadedConfig): Finding[] {
  const key = "SERVER_HOSTNAME";
  const name = parseServerHostname(config.SERVER_HOSTNAME);
  if (name === undefined || problems.some((problem) => problem.key === key)) return [];
  const base = { subject: "hostname", key } as const;
  if (name.kind === "ipv6") {
    const message = "SERVER_HOSTNAME is an IPv6 literal.";
    return [{ ...base, level: "warning", message, mend: ipv6LiteralAdvice(name.host) }];
  }
  if (name.host === "localhost" || name.host.startsWith("127.")) {
    const message = `SERVER_HOSTNAME is ${config.SERVER_HOSTNAME}: only this machine can use the registry.`;
    return [{
      ...base,
      level: "note",
      message,
      mend: "Set it to the name that clients use: quaylet init --hostname NAME.",
    }];
  }
  return [{ ...base, level: "ok", message: `Clients use ${config.SERVER_HOSTNAME}.` }];
}

const MARKS = { ok: "ok      ", note: "note    ", warning: "WARNING ", problem: "PROBLEM " } as const;

function render(findings: Finding[], ok: boolean): string {
  const lines = findings.map(({ level, message, mend }) => {
    const indent = "\n        ";
    const how = mend === undefined || level === "ok"
      ? ""
      : `${indent}-> ${mend.replaceAll("\n", `${indent}   `)}`;
    return `${MARKS[level]}${message.replaceAll("\n", indent)}${how}\n`;
  });
  const count = findings.filter(({ level }) => level === "problem").length;
  const verdict = ok ? "No problem found." : `${count} problem${count === 1 ? "" : "s"} to mend.`;
  return `${lines.join("")}\n${verdict}\n`;
}

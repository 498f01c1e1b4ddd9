import { isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import type { PemPair } from "../config/certificates.ts";
import { parseConfigText } from "../config/document.ts";
import { writeWholeFile } from "../config/durable_file.ts";
import { ipv6LiteralAdvice, parseServerHostname } from "../config/hostname.ts";
import { newSecrets, readSecrets, type Secrets } from "../config/secrets_file.ts";
import { starterConfig } from "../config/starter.ts";
import { resolvePlace } from "../lib/place.ts";
import type { Command } from "./cli.ts";
import { EXIT, type Io } from "./io.ts";

type InitIo = Pick<Io, "stdout" | "stderr" | "env">;

export const initCommand: Command = {
  name: "init",
  summary: "write a config.yaml that works, and an own CA and certificate if wanted",
  help:
    `usage: quaylet init [--config DIR] [--hostname NAME] [--data DIR] [--with-ca] [--san NAME]... [--force] [--json]

  --config DIR     where to write (default /etc/quaylet, or ./config when not root)
  --hostname NAME  host[:port] that clients write in image names (default: this machine's name). Without a port
                   the listener's is added, 8443 with a certificate and 8080 without; ":443" or ":80" stays away.
  --data DIR       where the appliance keeps its data (default /var/lib/quaylet, or ./data when not root)
  --with-ca        also make ca.crt, ca.key, ssl.cert and ssl.key; an own CA that is there already is used again
  --san NAME       one more name or address for the certificate; may be repeated
  --force          replace config.yaml, ssl.cert and ssl.key; secret keys and the CA are kept
  --json           print what was done as one JSON object

Exit codes: 0 written, 1 not written (files are there, or a folder is not writable), 2 wrong usage.`,
  run: runInit,
};

interface Plan {
  configDir: string;
  dataDir: string;
  serverHostname: string;
  /** For `quaylet serve`, when clients use another port than it listens on by itself. */
  listenFlag: string;
  host: string;
  /** Set when `host` is an IPv6 literal. */
  proposedName: string | undefined;
  scheme: "http" | "https";
  names: [string, ...string[]];
  force: boolean;
}

/** `quaylet init`: see its help. @throws {RangeError} on wrong usage */
export async function runInit(args: string[], io: InitIo): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: "string" },
      data: { type: "string" },
      hostname: { type: "string" },
      san: { type: "string", multiple: true, default: [] },
      "with-ca": { type: "boolean", default: false },
      force: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const withCa = values["with-ca"];
  const plan = makePlan({ ...values, withCa });
  await makeConfigDir(plan.configDir);
  const names = withCa ? ["config.yaml", "ssl.cert", "ssl.key"] : ["config.yaml"];
  const there = await existing(plan.configDir, names);
  if (there.length > 0 && !plan.force) {
    io.stderr(
      `quaylet init: ${there.join(", ")} is there already in ${plan.configDir}; --force replaces it\n`,
    );
    return EXIT.failed;
  }
  const written: string[] = [];
  if (withCa) written.push(...await writeCertificates(plan));
  // Last, so that a config.yaml that says https never stands without its certificate.
  const secrets = await findSecrets(plan);
  const text = starterConfig({ ...plan, storagePath: `${plan.dataDir}/storage`, secrets });
  written.push(await write(plan, "config.yaml", text, 0o600));

  const warnings = warningsFor(plan, withCa);
  const nextSteps = nextStepsFor(plan, withCa);
  if (values.json) {
    const { configDir, dataDir, serverHostname, scheme } = plan;
    io.stdout(
      `${JSON.stringify({ configDir, dataDir, serverHostname, scheme, written, warnings, nextSteps })}\n`,
    );
    return EXIT.ok;
  }
  io.stdout(written.map((path) => `wrote ${path}\n`).join(""));
  for (const warning of warnings) io.stderr(`\nwarning: ${warning}\n`);
  io.stdout(`\nNext:\n${nextSteps.map((step) => `  ${step.replaceAll("\n", "\n  ")}\n`).join("")}`);
  return EXIT.ok;
}

async function makeConfigDir(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o755 });
  } catch (cause) {
    throw new Error(`the folder ${path} cannot be made by this user; choose another with --config`, {
      cause,
    });
  }
}

function makePlan(flags: {
  config?: string;
  data?: string;
  hostname?: string;
  san: string[];
  withCa: boolean;
  force: boolean;
}): Plan {
  const root = Deno.uid() === 0;
  const configDir = absolute(flags.config ?? (root ? "/etc/quaylet" : "./config"));
  const { dataDir } = resolvePlace({ data: flags.data });
  const scheme = flags.withCa ? "https" : "http";
  const given = flags.hostname ?? Deno.hostname().toLowerCase();
  const name = parseServerHostname(isIPv6(given) ? `[${given}]` : given);
  if (name === undefined) {
    throw new RangeError(`--hostname "${given}" is no host name: write host, host:port or [IPv6]:port`);
  }
  const usualPort = scheme === "https" ? 8443 : 8080;
  const port = name.port ?? usualPort;
  const bracketed = name.kind === "ipv6" ? `[${name.host}]` : name.host;
  const isUsual = port === (scheme === "https" ? 443 : 80);
  const serverHostname = isUsual ? bracketed : `${bracketed}:${port}`;
  for (const san of flags.san) {
    if (!isHost(san)) {
      throw new RangeError(`--san "${san}" is no host name and no address`);
    }
  }
  const proposedName = nameFor(name.host);
  const names = new Set([
    name.host,
    ...flags.san,
    proposedName ?? "localhost",
    Deno.hostname().toLowerCase(),
    "localhost",
    ...ownAddresses(),
  ]);
  const usable = [...names].filter(isHost) as [string, ...string[]];
  return {
    configDir,
    dataDir,
    serverHostname,
    listenFlag: port === usualPort ? "" : ` --${scheme} :${port}`,
    host: name.host,
    proposedName,
    scheme,
    names: usable,
    force: flags.force,
  };
}

/** A host name or an address, without a port. */
function isHost(text: string): boolean {
  const name = parseServerHostname(isIPv6(text) ? `[${text}]` : text);
  return name !== undefined && name.port === undefined;
}

/** Addresses that clients may use; link-local ones need a zone, which certificates cannot hold. */
function ownAddresses(): string[] {
  const found = Deno.networkInterfaces().map(({ address }) => address).filter((a) => !/^fe[89ab]/i.test(a));
  return [...new Set(["127.0.0.1", "::1", ...found])];
}

async function writeCertificates(plan: Plan): Promise<string[]> {
  // A large library that nothing else needs.
  const { issueServerCertificate, makeAuthority } = await import("../config/certificates.ts");
  const written: string[] = [];
  let authority = await readAuthority(plan.configDir);
  if (authority === undefined) {
    authority = await makeAuthority(`Quaylet CA of ${plan.host}`, Date.now());
    written.push(await write(plan, "ca.key", authority.key, 0o600));
    written.push(await write(plan, "ca.crt", authority.cert, 0o644));
  }
  const server = await issueServerCertificate(authority, plan.names, Date.now());
  written.push(await write(plan, "ssl.key", server.key, 0o600));
  written.push(await write(plan, "ssl.cert", server.cert, 0o644));
  return written;
}

async function readAuthority(configDir: string): Promise<PemPair | undefined> {
  const there = await existing(configDir, ["ca.crt", "ca.key"]);
  if (there.length === 0) return undefined;
  if (there.length === 1) {
    throw new Error(
      `${configDir} holds ${there[0]} without its partner; put that back, or move ${there[0]} away`,
    );
  }
  const [cert, key] = await Promise.all([
    Deno.readTextFile(`${configDir}/ca.crt`),
    Deno.readTextFile(`${configDir}/ca.key`),
  ]);
  return { cert, key };
}

/** Keys that data on this machine may already be encrypted with come first. */
async function findSecrets({ configDir, dataDir }: Plan): Promise<Secrets> {
  const kept = await readSecrets(`${dataDir}/secrets.json`);
  const fallback = kept ?? newSecrets();
  const text = await Deno.readTextFile(`${configDir}/config.yaml`).catch(() => "");
  const { SECRET_KEY, DATABASE_SECRET_KEY } = parseConfigText(text, "config.yaml").values;
  return {
    SECRET_KEY: SECRET_KEY ? String(SECRET_KEY) : fallback.SECRET_KEY,
    DATABASE_SECRET_KEY: DATABASE_SECRET_KEY ? String(DATABASE_SECRET_KEY) : fallback.DATABASE_SECRET_KEY,
  };
}

/** Writes one file; what is secret becomes readable for the service's group when root makes it. */
async function write(plan: Plan, name: string, text: string, mode: number): Promise<string> {
  const path = `${plan.configDir}/${name}`;
  if (!await writeWholeFile(path, text, { mode, replace: plan.force })) {
    throw new Error(`${path} has appeared meanwhile; it was left as it is`);
  }
  // The authority's key is for this command alone; the service never needs it.
  const group = mode === 0o600 && name !== "ca.key" && Deno.uid() === 0 ? await serviceGroup() : undefined;
  if (group !== undefined) {
    await Deno.chown(path, null, group);
    await Deno.chmod(path, 0o640);
  }
  return path;
}

async function serviceGroup(): Promise<number | undefined> {
  const groups = await Deno.readTextFile("/etc/group").catch(() => "");
  const id = /^quaylet:[^:]*:([0-9]+):/m.exec(groups)?.[1];
  return id === undefined ? undefined : Number(id);
}

async function existing(folder: string, names: string[]): Promise<string[]> {
  const found = await Promise.all(
    names.map((name) => Deno.lstat(`${folder}/${name}`).then(() => true, () => false)),
  );
  return names.filter((_, index) => found[index]);
}

function warningsFor(
  { host, serverHostname, proposedName, configDir, dataDir }: Plan,
  withCa: boolean,
): string[] {
  if (proposedName === undefined) return [];
  const renamed = serverHostname.replace(`[${host}]`, proposedName);
  const flags = `--config ${configDir} --data ${dataDir}${withCa ? " --with-ca" : ""}`;
  return [
    `the host name is an IPv6 literal. ${ipv6LiteralAdvice(host, proposedName)}\n` +
    `and then: quaylet init ${flags} --hostname ${renamed} --force`,
  ];
}

/** A name that podman users could reach an appliance by whose host name is an IPv6 literal. */
function nameFor(host: string): string | undefined {
  if (!isIPv6(host)) return undefined;
  const own = Deno.hostname().toLowerCase();
  return own.includes(".") && isHost(own) ? own : "registry.internal";
}

function nextStepsFor(plan: Plan, withCa: boolean): string[] {
  const { configDir, dataDir, serverHostname, scheme, listenFlag } = plan;
  const curl = withCa ? `curl --cacert ${configDir}/ca.crt` : "curl";
  const tls = withCa ? "" : " --tls-verify=false";
  const steps = [
    `check it:       quaylet check --config ${configDir} --data ${dataDir}`,
    `start it:       quaylet serve --config ${configDir} --data ${dataDir}${listenFlag}`,
    `first user:     ${curl} -H 'Content-Type: application/json' \\\n` +
    `  -d '{"username":"admin","password":"CHANGE-ME","email":"admin@example.com","access_token":true}' \\\n` +
    `  ${scheme}://${serverHostname}/api/v1/user/initialize`,
  ];
  if (withCa) {
    const folder = `/etc/containers/certs.d/${serverHostname}`;
    steps.push(
      `trust the CA:   on each client: mkdir -p ${folder}\n  and copy ${configDir}/ca.crt to ${folder}/ca.crt`,
    );
    steps.push(`(Docker:        the same file in /etc/docker/certs.d/${serverHostname}/)`);
  }
  steps.push(`sign in:        podman login${tls} ${serverHostname}`);
  return steps;
}

function absolute(path: string): string {
  return path.startsWith("/") ? path.replace(/(.)\/+$/, "$1") : `${Deno.cwd()}/${path.replace(/^\.\//, "")}`;
}

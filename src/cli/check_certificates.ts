import { createPrivateKey, X509Certificate } from "node:crypto";
import { parseServerHostname } from "../config/hostname.ts";
import type { Config } from "../config/schema.ts";
import type { Finding } from "./finding.ts";
import { utcDay } from "../lib/utc_day.ts";

const DAY_MS = 86_400_000;
const SOON_DAYS = 30;

/** ssl.cert and ssl.key of the config directory: they parse, belong together, cover SERVER_HOSTNAME, are valid now. */
export async function checkCertificates(
  configDir: string | undefined,
  config: Pick<Config, "SERVER_HOSTNAME" | "EXTERNAL_TLS_TERMINATION" | "PREFERRED_URL_SCHEME">,
  nowMs: number,
): Promise<Finding[]> {
  const subject = "certificates";
  const [cert, key] = await Promise.all(["ssl.cert", "ssl.key"].map((name) => readFile(configDir, name)));
  for (const file of [cert, key]) {
    if (file instanceof Error) {
      return [{
        subject,
        level: "problem",
        message: file.message,
        mend: "Let the user that runs Quaylet read it.",
      }];
    }
  }
  if (typeof cert !== "string" || typeof key !== "string") {
    // One without the other is already a problem of the configuration.
    const how = config.EXTERNAL_TLS_TERMINATION ? "TLS ends at a proxy." : "No certificate: plain HTTP only.";
    return cert === key ? [{ subject, level: "note", message: how }] : [];
  }
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(cert);
  } catch {
    const mend = "Put the PEM certificate chain there, the server's own first.";
    return [{
      subject,
      level: "problem",
      key: "ssl.cert",
      message: "ssl.cert holds no PEM certificate.",
      mend,
    }];
  }
  return [...checkPair(leaf, key), ...checkValidity(leaf, nowMs), ...checkName(leaf, config.SERVER_HOSTNAME)];
}

function checkPair(leaf: X509Certificate, pem: string): Finding[] {
  const base = { subject: "certificates", level: "problem", key: "ssl.key" } as const;
  let privateKey;
  try {
    privateKey = createPrivateKey(pem);
  } catch {
    const mend = "Put a PEM private key without a passphrase there.";
    return [{ ...base, message: "ssl.key cannot be read as a private key.", mend }];
  }
  if (leaf.checkPrivateKey(privateKey)) return [];
  return [{
    ...base,
    message: "ssl.key is not the key of the certificate in ssl.cert.",
    mend: "Put the two files of one pair there; the server's certificate comes first in ssl.cert.",
  }];
}

function checkValidity(leaf: X509Certificate, nowMs: number): Finding[] {
  const base = { subject: "certificates", key: "ssl.cert" } as const;
  const from = Date.parse(leaf.validFrom);
  const to = Date.parse(leaf.validTo);
  const renew = "Renew it (an own one: quaylet init --with-ca --force); it is taken up without a restart.";
  if (nowMs < from) {
    const message = `The certificate is not valid before ${utcDay(from)}.`;
    return [{ ...base, level: "problem", message, mend: "Set this machine's clock, or wait." }];
  }
  if (nowMs > to) {
    return [{ ...base, level: "problem", message: `The certificate expired on ${utcDay(to)}.`, mend: renew }];
  }
  const days = Math.floor((to - nowMs) / DAY_MS);
  const message = `The certificate is valid until ${utcDay(to)} (${days} days).`;
  return [
    days < SOON_DAYS
      ? { ...base, level: "warning", message, mend: renew }
      : { ...base, level: "ok", message },
  ];
}

function checkName(leaf: X509Certificate, serverHostname: string): Finding[] {
  const name = parseServerHostname(serverHostname);
  if (name === undefined) return [];
  const covered = name.kind === "name" ? leaf.checkHost(name.host) : leaf.checkIP(name.host);
  if (covered !== undefined) return [];
  return [{
    subject: "certificates",
    level: "problem",
    key: "ssl.cert",
    message: `The certificate does not cover ${name.host} (SERVER_HOSTNAME); it is for ${
      leaf.subjectAltName ?? "no names"
    }.`,
    mend: `Get one with ${name.host} among its subject alternative names, or correct SERVER_HOSTNAME.`,
  }];
}

async function readFile(folder: string | undefined, name: string): Promise<string | undefined | Error> {
  if (folder === undefined) return undefined;
  try {
    return await Deno.readTextFile(`${folder}/${name}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    return new Error(`${folder}/${name} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

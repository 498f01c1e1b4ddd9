// Must come first: the certificate library needs it at load time.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { isIP } from "node:net";

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_652;
/** What Apple's and other clients accept at most. */
const SERVER_DAYS = 825;
/** A clock at an edge site may be behind; certificates begin a day before they are made. */
const CLOCK_SLACK_MS = DAY_MS;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** A certificate and its private key (PKCS #8), both PEM. */
export interface PemPair {
  cert: string;
  key: string;
}

/** A certificate authority of one's own, valid for ten years; it signs server certificates only (path length 0). */
export async function makeAuthority(name: string, nowMs: number): Promise<PemPair> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    name: [{ CN: [commonName(name)] }, { O: ["Quaylet"] }],
    notBefore: new Date(nowMs - CLOCK_SLACK_MS),
    notAfter: new Date(nowMs + AUTHORITY_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: pemText(certificate), key: await keyText(keys.privateKey) };
}

/**
 * A server certificate for `names` (host names, IPv4 and IPv6 addresses), signed by `authority`, valid for 825 days. The
 * returned `cert` is the chain: the server's own, then the authority's.
 * @throws {Error} when the authority's files cannot be read
 */
export async function issueServerCertificate(
  authority: PemPair,
  names: readonly [string, ...string[]],
  nowMs: number,
): Promise<PemPair> {
  const issuer = new x509.X509Certificate(authority.cert);
  const signingKey = await readSigningKey(authority.key);
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: [{ CN: [commonName(names[0])] }],
    issuer: issuer.subjectName.toJSON(),
    notBefore: new Date(nowMs - CLOCK_SLACK_MS),
    notAfter: new Date(Math.min(nowMs + SERVER_DAYS * DAY_MS, issuer.notAfter.getTime())),
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return { cert: pemText(certificate) + ensureNewline(authority.cert), key: await keyText(keys.privateKey) };
}

function generateKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

async function readSigningKey(pem: string): Promise<CryptoKey> {
  const [der] = x509.PemConverter.decode(pem);
  if (der === undefined) throw new Error("ca.key holds no PEM private key");
  try {
    return await crypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]);
  } catch (cause) {
    throw new Error("ca.key is not a P-256 key of quaylet init", { cause });
  }
}

/** Names are at most 64 characters long in a certificate; the full one is in the alternative names. */
function commonName(name: string): string {
  return name.slice(0, 64);
}

function randomSerial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  // Positive, as RFC 5280 §4.1.2.2 asks, and never zero.
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function pemText(certificate: x509.X509Certificate): string {
  return ensureNewline(certificate.toString("pem"));
}

async function keyText(key: CryptoKey): Promise<string> {
  return ensureNewline(x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY"));
}

function ensureNewline(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}

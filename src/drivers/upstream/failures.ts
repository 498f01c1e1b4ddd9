import { UpstreamError, type UpstreamFailure } from "./driver.ts";

const CONNECTION_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
  "EADDRNOTAVAIL",
  "UND_ERR_SOCKET",
  "UND_ERR_ABORTED",
  "UND_ERR_DESTROYED",
  "UND_ERR_CLOSED",
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
  "UND_ERR_PRX_TLS",
]);
const TIMEOUT_CODES = new Set([
  "ETIMEDOUT",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
]);
const DNS_CODES = new Set(["ENOTFOUND", "EAI_AGAIN", "EAI_NODATA", "EAI_NONAME", "ENODATA"]);
const CERTIFICATE =
  /certificate|self.signed|issuer|CERT_|UNABLE_TO_|DEPTH_ZERO|ERR_TLS|not valid for name|CaUsedAsEndEntity/i;
const TLS = /ERR_SSL|SSL routines|EPROTO|corrupt message|handshake|alert/i;

/** Whatever the network threw, as what it means, in words. @param host that was spoken to */
export function asUpstreamError(error: unknown, host: string): UpstreamError {
  if (error instanceof UpstreamError) return error;
  const { code, text } = describe(error);
  const made = (failure: UpstreamFailure, message: string, passing: boolean) =>
    new UpstreamError(failure, message, { cause: error, passing });
  if (DNS_CODES.has(code)) {
    return made("dns", `the name ${host} does not resolve (DNS): is the name right, is the link up?`, true);
  }
  if (TIMEOUT_CODES.has(code)) return made("timeout", `${host} does not answer in time (timeout)`, true);
  if (TLS.test(code) || TLS.test(text) && !CERTIFICATE.test(text)) {
    return made(
      "tls",
      `${host} does not speak TLS there: is it the right port? (verify_tls: false allows HTTP)`,
      false,
    );
  }
  if (CERTIFICATE.test(code) || CERTIFICATE.test(text)) {
    return made(
      "tls",
      `the certificate of ${host} is not valid here (TLS): ${certificateWords(code, text)}`,
      false,
    );
  }
  if (code.startsWith("HPE_")) return made("lied", `${host} does not answer in HTTP: ${code}`, false);
  if (code === "UND_ERR_HEADERS_OVERFLOW") return made("lied", `${host} sends too many headers`, false);
  const why = CONNECTION_CODES.has(code)
    ? CONNECTION_WORDS[code] ?? "the connection broke off"
    : "the connection failed";
  return made("connection", `${host}: ${why}`, true);
}

const CONNECTION_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there (connection refused)",
  EHOSTUNREACH: "there is no way to that host now",
  ENETUNREACH: "there is no way to that network now",
  EADDRNOTAVAIL: "this machine has no address of that kind (IPv4 or IPv6)",
};

/** The first code and all messages of an error and its causes, also of several tried addresses. */
function describe(error: unknown): { code: string; text: string } {
  let code = "";
  const texts: string[] = [];
  const visit = (one: unknown, depth: number) => {
    if (!(one instanceof Error) || depth > 4) return;
    const own = (one as { code?: unknown }).code;
    if (code === "" && typeof own === "string") code = own;
    texts.push(one.message);
    if (one instanceof AggregateError) {
      for (const inner of one.errors.slice(0, 4)) {
        visit(inner, depth + 1);
      }
    }
    visit(one.cause, depth + 1);
  };
  visit(error, 0);
  return { code, text: texts.join("; ") };
}

function certificateWords(code: string, text: string): string {
  const all = `${code} ${text}`;
  if (/EXPIRED|expired/.test(all)) return "it has expired";
  if (/NOT_YET|not.yet/i.test(all)) return "it is not valid yet: is the clock right?";
  if (/ALTNAME|not valid for name|altnames|NotValidForName/i.test(all)) return "it is for another name";
  if (/self.signed|SELF_SIGNED|UNABLE_TO|UnknownIssuer|issuer|DEPTH_ZERO/i.test(all)) {
    return "its authority is unknown; put the authority's certificate into extra_ca_certs";
  }
  return "it was refused";
}

/** A status that is no success. `what` names what was asked for. */
export function failureOfStatus(
  status: number,
  { host, what, retryAfter }: { host: string; what: string; retryAfter: string | undefined },
  nowMs: number,
): UpstreamError {
  const retryAfterMs = readRetryAfter(retryAfter, nowMs);
  const after = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (status === 401) {
    return new UpstreamError("unauthorized", `${host} refuses the credentials for ${what} (401)`);
  }
  if (status === 403) {
    return new UpstreamError("forbidden", `${host} does not let these credentials read ${what} (403)`);
  }
  if (status === 404) return new UpstreamError("not_found", `${host} has no ${what} (404)`);
  if (status === 429) {
    return new UpstreamError("throttled", `${host} asks to come back later (429)`, {
      passing: true,
      ...after,
    });
  }
  if (status === 408 || status >= 500) {
    return new UpstreamError("unavailable", `${host} cannot give ${what} now (${status})`, {
      passing: true,
      ...after,
    });
  }
  return new UpstreamError("lied", `${host} answers ${status} to the request for ${what}`);
}

/** Seconds or a date (RFC 9110 §10.2.3). */
function readRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * 1000;
  const ms = Date.parse(text) - nowMs;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

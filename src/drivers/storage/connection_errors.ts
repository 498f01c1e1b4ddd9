/** A request that could not be made, or whose answer broke off, in words for operators. */
export function connectionWords(host: string, error: unknown): string {
  const code = codeOf(error);
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `the name of ${host} cannot be resolved (${code})`;
    case "ECONNREFUSED":
      return `${host} refuses connections (ECONNREFUSED)`;
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return `there is no route to ${host} (${code})`;
    case "UND_ERR_CONNECT_TIMEOUT":
    case "ETIMEDOUT":
      return `${host} does not take the connection in time`;
    case "UND_ERR_HEADERS_TIMEOUT":
    case "UND_ERR_BODY_TIMEOUT":
    case "TIMEOUT":
      return `${host} took the request and does not answer in time`;
    case "UND_ERR_RES_CONTENT_LENGTH_MISMATCH":
      return `answers of ${host} end too early: it, or something on the way, breaks them off`;
    case "ECONNRESET":
    case "UND_ERR_SOCKET":
    case "EPIPE":
      return `${host} broke the connection off`;
  }
  const text = messageOf(error);
  if (/wrong version number|InvalidContentType/.test(text)) {
    return `${host} does not speak TLS: set is_secure: false, or correct the port`;
  }
  if (/certificate|CERT|self.signed|UnknownIssuer|issuer/i.test(`${code} ${text}`)) {
    return `the certificate of ${host} is not trusted (${text}); put its authority into extra_ca_certs/`;
  }
  return `${host} cannot be used: ${text}`;
}

/** The code of the innermost cause that has one. */
export function codeOf(error: unknown): string {
  let code = "";
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const found = (at as { code?: unknown }).code;
    if (typeof found === "string") code = found;
  }
  return code;
}

function messageOf(error: unknown): string {
  let text = String(error);
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (at.message !== "") text = at.message;
  }
  return text.slice(0, 300);
}

import ipaddr from "ipaddr.js";
import { ipv6LiteralAdvice, parseServerHostname } from "../hostname.ts";
import { parseDuration } from "../duration.ts";
import type { Rule } from "./rule.ts";

export const hostRule: Rule = ({ config, isSet, advise, report }) => {
  const key = "SERVER_HOSTNAME";
  const name = parseServerHostname(config.SERVER_HOSTNAME);
  if (name === undefined) {
    const mend = config.SERVER_HOSTNAME.includes("/")
      ? "Leave out the scheme and the path; the scheme is PREFERRED_URL_SCHEME."
      : "Write host, host:port or [IPv6]:port, such as registry.example.com:8443.";
    report({ key, message: "SERVER_HOSTNAME must be of type Hostname.", mend });
  } else if (name.kind === "ipv6") {
    advise({
      key,
      kind: "advice",
      message: `SERVER_HOSTNAME is an IPv6 literal. ${ipv6LiteralAdvice(name.host)}`,
    });
  } else if (isSet("DB_URI") && !isSet(key)) {
    advise({
      key,
      kind: "advice",
      message: "SERVER_HOSTNAME is not set: clients on other machines cannot use it.",
    });
  }
};

export const tlsRule: Rule = ({ config, tlsFiles, report }) => {
  const key = "PREFERRED_URL_SCHEME";
  if (tlsFiles.cert !== tlsFiles.key) {
    const [there, missing] = tlsFiles.cert ? ["ssl.cert", "ssl.key"] : ["ssl.key", "ssl.cert"];
    report({
      key: missing,
      message: `${there} is in the config directory, ${missing} is not.`,
      mend: `Put ${missing} beside it, or remove ${there}.`,
    });
  } else if (config.PREFERRED_URL_SCHEME === "https" && !tlsFiles.cert && !config.EXTERNAL_TLS_TERMINATION) {
    report({
      key,
      message: "https needs ssl.cert and ssl.key in the config directory.",
      mend:
        "Put them there (quaylet init --with-ca makes a pair), or set EXTERNAL_TLS_TERMINATION: true when a proxy does TLS.",
    });
  }
  for (const protocol of config.SSL_PROTOCOLS) {
    if (/^(SSLv[23]|TLSv1(\.[0-3])?)$/.test(protocol)) continue;
    report({
      key: "SSL_PROTOCOLS",
      message: "SSL_PROTOCOLS names an unknown protocol.",
      mend: "Write TLSv1.2 or TLSv1.3.",
    });
  }
};

export const proxyRule: Rule = ({ config, report }) => {
  const networks = [config.TRUSTED_PROXY_CIDR ?? []].flat().flatMap((text) => text.split(/[\s,]+/)).filter(
    Boolean,
  );
  for (const network of networks) {
    if (ipaddr.isValid(network) || ipaddr.isValidCIDR(network)) continue;
    report({
      key: "TRUSTED_PROXY_CIDR",
      message: "TRUSTED_PROXY_CIDR holds something that is no network.",
      mend: "Write networks such as 10.0.0.0/8 or fd00::/8, separated by commas.",
    });
    return;
  }
};

export const timeRule: Rule = ({ config, report }) => {
  if (!config.TAG_EXPIRATION_OPTIONS.includes(config.DEFAULT_TAG_EXPIRATION)) {
    report({
      key: "DEFAULT_TAG_EXPIRATION",
      message: `DEFAULT_TAG_EXPIRATION must be one of ${config.TAG_EXPIRATION_OPTIONS.join(", ")}.`,
      mend: `Choose one of these, or add ${config.DEFAULT_TAG_EXPIRATION} to TAG_EXPIRATION_OPTIONS.`,
    });
  }
  const shortest = parseDuration(config.LABELED_EXPIRATION_MINIMUM) ?? 0;
  const longest = parseDuration(config.LABELED_EXPIRATION_MAXIMUM) ?? 0;
  if (shortest > longest) {
    report({
      key: "LABELED_EXPIRATION_MINIMUM",
      message: "LABELED_EXPIRATION_MINIMUM is longer than LABELED_EXPIRATION_MAXIMUM.",
      mend: "Swap them, or leave both out.",
    });
  }
  if (config.INSTANCE_SERVICE_KEY_REFRESH >= config.INSTANCE_SERVICE_KEY_EXPIRATION) {
    report({
      key: "INSTANCE_SERVICE_KEY_REFRESH",
      message: "The service key would expire before it is refreshed.",
      mend:
        "Make INSTANCE_SERVICE_KEY_REFRESH (min) less than half of INSTANCE_SERVICE_KEY_EXPIRATION (min).",
    });
  }
};

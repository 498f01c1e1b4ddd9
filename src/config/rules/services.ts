import { isBlank, type Rule } from "./rule.ts";

export const mailRule: Rule = ({ config, isSet, advise, report }) => {
  if (!config.FEATURE_MAILING) return;
  if (isBlank(config.MAIL_SERVER)) {
    if (isSet("FEATURE_MAILING")) {
      report({
        key: "MAIL_SERVER",
        message: "MAIL_SERVER is required.",
        mend: "Name an SMTP server, or set FEATURE_MAILING: false.",
      });
    } else {
      advise({
        key: "FEATURE_MAILING",
        kind: "advice",
        message:
          "FEATURE_MAILING is on by default and asks users for an e-mail address; without a mail server set it to false.",
      });
    }
  }
  if (config.FEATURE_FIPS && !config.MAIL_USE_TLS) {
    report({
      key: "MAIL_USE_TLS",
      message: "FEATURE_FIPS needs MAIL_USE_TLS.",
      mend: "Set MAIL_USE_TLS: true.",
    });
  }
};

export const scannerRule: Rule = ({ config, report }) => {
  if (config.FEATURE_SECURITY_SCANNER && config.SECURITY_SCANNER_V4_ENDPOINT === null) {
    report({
      key: "SECURITY_SCANNER_V4_ENDPOINT",
      message: "SECURITY_SCANNER_V4_ENDPOINT is required.",
      mend: "Write the URL of Clair, or set FEATURE_SECURITY_SCANNER: false.",
    });
  }
  const key = config.SECURITY_SCANNER_V4_PSK;
  if (key !== null && !/^[A-Za-z0-9+/_-]*={0,2}$/.test(key)) {
    report({
      key: "SECURITY_SCANNER_V4_PSK",
      message: "SECURITY_SCANNER_V4_PSK is not base64.",
      mend: "Copy the key from Clair's auth.psk.key.",
    });
  }
};

export const linkRule: Rule = ({ config, report }) => {
  for (const key of ["DOCUMENTATION_ROOT", "ENTERPRISE_LOGO_URL", "TERMS_OF_SERVICE_URL"] as const) {
    const value = config[key];
    if (isBlank(value) || URL.canParse(value ?? "") || (value ?? "").startsWith("/")) continue;
    report({ key, message: `${key} must be of type URL.`, mend: "Write an address with https:// in front." });
  }
};

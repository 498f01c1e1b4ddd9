import { AVAILABLE_AUTHENTICATION } from "../acted_on.ts";
import type { Config } from "../schema.ts";
import { isBlank, type Rule, type RuleInput } from "./rule.ts";

export const authenticationRule: Rule = (input) => {
  const { config, report } = input;
  const type = config.AUTHENTICATION_TYPE;
  if (!AVAILABLE_AUTHENTICATION.has(type)) {
    report({
      key: "AUTHENTICATION_TYPE",
      message: `${type} is not available in this version yet.`,
      mend: `Use ${[...AVAILABLE_AUTHENTICATION].join(" or ")}.`,
    });
  }
  switch (type) {
    case "LDAP":
      requireKeys(input, "AUTHENTICATION_TYPE: LDAP", ["LDAP_ADMIN_DN", "LDAP_ADMIN_PASSWD"]);
      if (!/^ldaps?:\/\//.test(config.LDAP_URI)) {
        report({
          key: "LDAP_URI",
          message: "LDAP_URI must be one of ldap, ldaps.",
          mend: "Write ldap://host or ldaps://host.",
        });
      }
      if (config.LDAP_BASE_DN.length === 0) {
        report({
          key: "LDAP_BASE_DN",
          message: "LDAP_BASE_DN is required.",
          mend: "Write a list such as [dc=example, dc=com].",
        });
      }
      break;
    case "JWT":
      requireKeys(input, "AUTHENTICATION_TYPE: JWT", ["JWT_VERIFY_ENDPOINT", "JWT_AUTH_ISSUER"]);
      break;
    case "Keystone":
      requireKeys(input, "AUTHENTICATION_TYPE: Keystone", [
        "KEYSTONE_AUTH_URL",
        "KEYSTONE_ADMIN_USERNAME",
        "KEYSTONE_ADMIN_PASSWORD",
        "KEYSTONE_ADMIN_TENANT",
      ]);
      break;
    case "AppToken":
      if (!config.FEATURE_APP_SPECIFIC_TOKENS) {
        report({
          key: "FEATURE_APP_SPECIFIC_TOKENS",
          message: "AUTHENTICATION_TYPE: AppToken needs FEATURE_APP_SPECIFIC_TOKENS.",
          mend: "Set FEATURE_APP_SPECIFIC_TOKENS: true.",
        });
      }
      if (config.FEATURE_DIRECT_LOGIN) {
        report({
          key: "FEATURE_DIRECT_LOGIN",
          message: "AUTHENTICATION_TYPE: AppToken knows no passwords.",
          mend: "Set FEATURE_DIRECT_LOGIN: false.",
        });
      }
  }
};

export const waysInRule: Rule = ({ config, report }) => {
  const hasProvider = providers(config).length > 0;
  const anyWay = config.FEATURE_DIRECT_LOGIN || config.FEATURE_GITHUB_LOGIN || config.FEATURE_GOOGLE_LOGIN ||
    hasProvider;
  if (!anyWay && config.AUTHENTICATION_TYPE !== "AppToken") {
    report({
      key: "FEATURE_DIRECT_LOGIN",
      message:
        "Nobody could sign in: at least one of FEATURE_DIRECT_LOGIN, FEATURE_GITHUB_LOGIN, FEATURE_GOOGLE_LOGIN must be on.",
      mend: "Set FEATURE_DIRECT_LOGIN: true, or configure an OpenID Connect provider.",
    });
  }
  if (config.FEATURE_INVITE_ONLY_USER_CREATION && !config.FEATURE_USER_CREATION) {
    report({
      key: "FEATURE_INVITE_ONLY_USER_CREATION",
      message: "FEATURE_INVITE_ONLY_USER_CREATION needs FEATURE_USER_CREATION.",
      mend: "Turn on FEATURE_USER_CREATION, or turn off FEATURE_INVITE_ONLY_USER_CREATION.",
    });
  }
};

export const providersRule: Rule = ({ config, report }) => {
  for (const service of ["GITHUB", "GOOGLE"] as const) {
    if (!config[`FEATURE_${service}_LOGIN`]) continue;
    for (const name of ["CLIENT_ID", "CLIENT_SECRET"] as const) {
      if (!isBlank(config[`${service}_LOGIN_CONFIG`]?.[name])) continue;
      const key = `${service}_LOGIN_CONFIG.${name}`;
      report({ key, message: `${key} is required.`, mend: `FEATURE_${service}_LOGIN needs it.` });
    }
  }
  for (const [key, provider] of providers(config)) {
    const needed = provider.PUBLIC_CLIENT === true
      ? (["CLIENT_ID", "OIDC_SERVER", "SERVICE_NAME"] as const)
      : (["CLIENT_ID", "CLIENT_SECRET", "OIDC_SERVER", "SERVICE_NAME"] as const);
    for (const name of needed) {
      if (!isBlank(provider[name])) continue;
      report({
        key: `${key}.${name}`,
        message: `${key}.${name} is required.`,
        mend: "Your provider shows it.",
      });
    }
    const server = provider.OIDC_SERVER;
    if (server === undefined || server === "") continue;
    if (!server.endsWith("/")) {
      report({
        key: `${key}.OIDC_SERVER`,
        message: `${key}.OIDC_SERVER must end with a slash.`,
        mend: "Add / at its end.",
      });
    }
    if (!server.startsWith("https://") && provider.DEBUGGING !== true) {
      report({
        key: `${key}.OIDC_SERVER`,
        message: `${key}.OIDC_SERVER must start with https://.`,
        mend: "Use https. For a test only: DEBUGGING: true beside it.",
      });
    }
  }
};

export const captchaRule: Rule = ({ config, report, advise }) => {
  if (!config.FEATURE_RECAPTCHA) return;
  for (const key of ["RECAPTCHA_SITE_KEY", "RECAPTCHA_SECRET_KEY"] as const) {
    if (!isBlank(config[key])) continue;
    advise({
      key,
      kind: "advice",
      message:
        `FEATURE_RECAPTCHA needs ${key}: until it is set nobody can create an account or an organization.`,
    });
  }
  if (!/^https:\/\/./.test(config.RECAPTCHA_VERIFY_URL) || !URL.canParse(config.RECAPTCHA_VERIFY_URL)) {
    report({
      key: "RECAPTCHA_VERIFY_URL",
      message: "RECAPTCHA_VERIFY_URL must be an https address.",
      mend: "Leave it out for reCAPTCHA at www.google.com.",
    });
  }
};

export const oauthRule: Rule = ({ config, report }) => {
  if (/^\/[\w.~-]+(?:\/[\w.~-]+)*$/.test(config.LOCAL_OAUTH_HANDLER)) return;
  report({
    key: "LOCAL_OAUTH_HANDLER",
    message: "LOCAL_OAUTH_HANDLER must be a path of this site.",
    mend: "Write one such as /oauth/localapp, which is the default.",
  });
};

function providers(config: Config) {
  return Object.keys(config)
    .filter((key): key is `${string}_LOGIN_CONFIG` =>
      key.endsWith("_LOGIN_CONFIG") && !/^(GITHUB|GOOGLE)_/.test(key)
    )
    .flatMap((key) => config[key] ? [[key, config[key]] as const] : []);
}

function requireKeys(
  { config, report }: RuleInput,
  reason: string,
  keys: readonly (keyof Config & string)[],
): void {
  for (const key of keys) {
    if (!isBlank(config[key] as string | null)) continue;
    report({ key, message: `${key} is required.`, mend: `${reason} needs it.` });
  }
}

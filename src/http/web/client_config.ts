import type { Config } from "../../config/schema.ts";
import { versionInfo } from "../../lib/version.ts";

/**
 * Keys of config.yaml that browsers may read: what Quay's consoles and tools look at, and nothing that could be a secret.
 * A test holds this list against the schema's secrets.
 */
export const CLIENT_KEYS = [
  "AUTHENTICATION_TYPE",
  "SERVER_HOSTNAME",
  "PREFERRED_URL_SCHEME",
  "REGISTRY_TITLE",
  "REGISTRY_TITLE_SHORT",
  "ENTERPRISE_LOGO_URL",
  "CONTACT_INFO",
  "AVATAR_KIND",
  "DOCUMENTATION_ROOT",
  "TERMS_OF_SERVICE_URL",
  "FOOTER_LINKS",
  "LOCAL_OAUTH_HANDLER",
  "SETUP_COMPLETE",
  "DEBUG",
  "RECAPTCHA_SITE_KEY",
  "TAG_EXPIRATION_OPTIONS",
  "DEFAULT_TAG_EXPIRATION",
  "SEARCH_RESULTS_PER_PAGE",
  "SEARCH_MAX_RESULT_PAGE_COUNT",
  "PERMANENTLY_DELETE_TAGS",
  "DEFAULT_NAMESPACE_AUTOPRUNE_POLICY",
  "QUOTA_BACKFILL",
  "UI_V2_FEEDBACK_FORM",
  "UI_DELAY_AFTER_WRITE_SECONDS",
  "DEFAULT_UI",
  "DISABLE_ANGULAR_UI",
  "FEATURE_REPO_MIRROR",
  "FEATURE_QUOTA_MANAGEMENT",
  "FEATURE_EDIT_QUOTA",
  "FEATURE_PROXY_CACHE",
  "FEATURE_ASSIGN_OAUTH_TOKEN",
  "FEATURE_IMAGE_EXPIRY_TRIGGER",
  "FEATURE_AUTO_PRUNE",
  // Its value: among the features it is a flag like any other.
  "FEATURE_LISTEN_IP_VERSION",
] as const satisfies readonly (keyof Config)[];

/** What Quaylet never does, whatever config.yaml says: a console that believed it would ask for addresses that are not there. */
const NEVER = new Set([
  "BUILD_SUPPORT",
  "GITHUB_BUILD",
  "BITBUCKET_BUILD",
  "GITLAB_BUILD",
  "SIGNING",
  "BILLING",
]);

export interface ClientConfig {
  readonly config: Readonly<Record<string, unknown>>;
  /** Every `FEATURE_*` key without its prefix; the one that holds a text is true when that is not empty. */
  readonly features: Readonly<Record<string, boolean>>;
  readonly oauth: Readonly<Record<string, unknown>>;
  readonly external_login: readonly unknown[];
  readonly registry_state: string;
  readonly account_recovery_mode: boolean;
  readonly version_number: string;
}

/** The body of `GET /config`: what a console must know before anybody has signed in. */
export function clientConfig(config: Config): ClientConfig {
  const shown: Record<string, unknown> = {};
  for (const key of CLIENT_KEYS) shown[key] = config[key];
  const { BRANDING, ENTERPRISE_LOGO_URL } = config;
  shown.BRANDING = {
    logo: ENTERPRISE_LOGO_URL ?? BRANDING?.logo ?? null,
    footer_img: BRANDING?.footer_img ?? null,
    footer_url: BRANDING?.footer_url ?? null,
  };
  const features: Record<string, boolean> = {};
  for (const [key, value] of Object.entries(config)) {
    if (!key.startsWith("FEATURE_")) continue;
    const name = key.slice("FEATURE_".length);
    features[name] = !NEVER.has(name) && Boolean(value);
  }
  return {
    config: shown,
    features,
    oauth: {},
    external_login: [],
    registry_state: config.REGISTRY_STATE,
    account_recovery_mode: config.ACCOUNT_RECOVERY_MODE,
    version_number: versionInfo({}).version,
  };
}

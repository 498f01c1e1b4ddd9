import type { ConfigKey } from "./schema.ts";

/**
 * Keys that Quaylet acts on today. A key that is set in config.yaml, is in the schema and is in none of these
 * lists is reported at start as "not acted on yet". Add a key here in the change that makes it work; a test
 * checks that each is really read somewhere in src/.
 */
export const ACTED_ON: ReadonlySet<string> = new Set<ConfigKey>([
  "SERVER_HOSTNAME",
  "PREFERRED_URL_SCHEME",
  "FEATURE_LISTEN_IP_VERSION",
  "DB_URI",
  "DB_CONNECTION_ARGS",
  "DATABASE_SECRET_KEY",
  "SECRET_KEY",
  "DISTRIBUTED_STORAGE_CONFIG",
  "DISTRIBUTED_STORAGE_PREFERENCE",
]);

const NO_REDIS = "Quaylet needs no Redis.";
const NO_BUILDS = "Quaylet does not build images.";

/** Keys whose purpose is met without them, and why. Reported, so that nobody waits for an effect. */
export const NOT_NEEDED: Readonly<Partial<Record<ConfigKey, string>>> = {
  BUILDLOGS_REDIS: NO_REDIS,
  USER_EVENTS_REDIS: NO_REDIS,
  PULL_METRICS_REDIS: NO_REDIS,
  DATA_MODEL_CACHE_CONFIG: "Quaylet caches in its own memory.",
  DB_CONNECTION_POOLING: "Quaylet always pools its connections.",
  SETUP_COMPLETE: "Quaylet has no set-up phase.",
  TESTING: "Quaylet has no test mode.",
  GREENLET_TRACING: "There are no greenlets to trace.",
  PROMETHEUS_PUSHGATEWAY_URL: "Metrics are served at :9091/metrics, ready to be scraped.",
  IGNORE_UNKNOWN_MEDIATYPES: "Well-formed artifact types are always accepted.",
  FEATURE_BUILD_SUPPORT: NO_BUILDS,
  FEATURE_GITHUB_BUILD: NO_BUILDS,
  FEATURE_BITBUCKET_BUILD: NO_BUILDS,
  FEATURE_GITLAB_BUILD: NO_BUILDS,
  GITHUB_TRIGGER_CONFIG: NO_BUILDS,
  BITBUCKET_TRIGGER_CONFIG: NO_BUILDS,
  GITLAB_TRIGGER_CONFIG: NO_BUILDS,
  FEATURE_READER_BUILD_LOGS: NO_BUILDS,
  FEATURE_SIGNING: "Signatures are pushed beside images, with cosign or notation.",
  FEATURE_RESTRICTED_V1_PUSH: "There is no v1 protocol.",
  V1_PUSH_WHITELIST: "There is no v1 protocol.",
  FEATURE_UI_V2: "There is one user interface.",
  UI_V2_FEEDBACK_FORM: "There is one user interface.",
  DEFAULT_UI: "There is one user interface.",
  DISABLE_ANGULAR_UI: "There is one user interface.",
  FEATURE_MANIFEST_SIZE_BACKFILL: "Sizes are kept from the start.",
  FEATURE_MANIFEST_SUBJECT_BACKFILL: "Subjects are indexed from the start.",
};

/** Storage engines that a location may be written to today; the schema knows the others (`storage_engines.ts`). */
export const AVAILABLE_STORAGE_ENGINES: ReadonlySet<string> = new Set(["LocalStorage"]);

/** Values of AUTHENTICATION_TYPE that work today. */
export const AVAILABLE_AUTHENTICATION: ReadonlySet<string> = new Set(["Database", "AppToken"]);

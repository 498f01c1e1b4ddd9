import * as z from "zod";
import { flag, fraction, oneOf, optionalText, optionalTexts, text, texts, whole } from "../field.ts";

const HEALTH_CHECKERS = ["LocalHealthCheck", "RDSAwareHealthCheck", "ProductionHealthCheck"] as const;

/** Names, TLS, listeners, proxies, limits and health. */
export const hostKeys = {
  SERVER_HOSTNAME: text(
    "localhost:8080",
    "Public host name and port of the registry, as clients write it in image names; also the audience of its tokens. " +
      "podman, skopeo and buildah refuse an IPv6 literal here: use a name.",
    { unit: "host[:port]" },
  ),
  PREFERRED_URL_SCHEME: oneOf(
    ["http", "https"],
    "http",
    "Scheme of the links that the registry hands out; https also makes cookies secure.",
  ),
  EXTERNAL_TLS_TERMINATION: flag(
    false,
    "TLS ends at a proxy in front; the registry itself speaks plain HTTP.",
  ),
  SSL_PROTOCOLS: texts(["TLSv1.2", "TLSv1.3"], "TLS versions offered."),
  SSL_CIPHERS: optionalTexts("TLS cipher suites offered; not set: the built-in list."),
  FEATURE_LISTEN_IP_VERSION: oneOf(
    ["IPv4", "IPv6", "dual-stack"],
    "IPv4",
    "Address families of the listeners. IPv6 alone refuses IPv4 peers. dual-stack when there is no config.yaml.",
  ),
  FEATURE_PROXY_PROTOCOL: flag(false, "A load balancer in front sends the PROXY protocol header."),
  PROXY_COUNT: whole(1, "proxies", "How many trusted proxies append to X-Forwarded-For."),
  TRUSTED_PROXY_CIDR: z.union([z.string(), z.array(z.string())]).nullable().default(null)
    .meta({
      kind: "mixed",
      unit: "CIDR",
      description: "Networks of the proxies whose X-Forwarded-* headers are believed. Not set: none is.",
    }),
  CORS_ORIGIN: z.union([z.string(), z.array(z.string())]).default("*")
    .meta({ kind: "mixed", description: "Origins whose scripts may call the API." }),
  FEATURE_FIPS: flag(false, "Use only hash functions that FIPS 140 approves."),
  FEATURE_RATE_LIMITS: flag(false, "Answer 429 to clients that ask too often."),
  NON_RATE_LIMITED_NAMESPACES: texts([], "Namespaces that are exempt from rate limits."),
  MANIFESTS_ENDPOINT_READ_TIMEOUT: optionalText("How long the front proxy waits for a manifest.", {
    unit: "nginx time, such as 5m",
  }),
  MAXIMUM_LAYER_SIZE: z.string().regex(/^[0-9]+(G|M)$/, "must be a whole number and G or M, such as 20G")
    .default("20G")
    .meta({ kind: "text", unit: "<int> G|M", description: "Largest single layer that a push may contain." }),
  V2_PAGINATION_SIZE: whole(
    50,
    "entries",
    "Page size of tag lists and the catalog; below 100 it counts as 100.",
    { min: 1 },
  ),
  BLACKLIST_V2_SPEC: text("<1.6.0", "Docker versions that are told that there is no v2 registry.", {
    unit: "version range",
  }),
  FEATURE_ADVERTISE_V2: flag(true, "Answer at /v2/."),
  HEALTH_CHECKER: z.tuple([z.enum(HEALTH_CHECKERS)], z.record(z.string(), z.unknown()))
    .default(["LocalHealthCheck", {}])
    .meta({
      kind: "list",
      description: "How the health endpoints judge: the name of a checker and its parameters.",
    }),
  ENABLE_HEALTH_DEBUG_SECRET: optionalText(
    "Word that unlocks the expanded health report at /health/enabledebug/<word>.",
    { secret: true },
  ),
  DISKSPACE_HEALTH_THRESHOLD: fraction(0.01, "Share of free disk below which /health reports a failure."),
  DISKSPACE_HEALTH_WARNING_THRESHOLD: fraction(
    0.1,
    "Share of free disk below which /health/warning reports one.",
  ),
  PROMETHEUS_NAMESPACE: text("quay", "Job name of the metrics. The prefix quay_ stays."),
  PROMETHEUS_PUSHGATEWAY_URL: text(
    "http://localhost:9091",
    "Where Quay pushes metrics. Quaylet serves them itself at :9091/metrics.",
    { unit: "URL" },
  ),
  GLOBAL_PROMETHEUS_STATS_FREQUENCY: whole(
    3600,
    "s",
    "How often the counts of users, organizations and repositories are taken.",
    { min: 1 },
  ),
  QUEUE_WORKER_METRICS_REFRESH_SECONDS: whole(300, "s", "How often queue lengths are counted.", { min: 1 }),
  GREENLET_TRACING: flag(false, "Metrics of Quay's Python runtime. Nothing to trace in Quaylet."),
  BROWSER_API_CALLS_XHR_ONLY: flag(true, "API reads from a browser need the X-Requested-With header."),
  REGISTRY_STATE: oneOf(["normal", "readonly"], "normal", "readonly refuses every change."),
  DISABLE_PUSHES: flag(false, "Refuse pushes and stop garbage collection; everything else goes on."),
  ACCOUNT_RECOVERY_MODE: flag(
    false,
    "Only what recovers accounts runs: registry routes answer 405, workers rest.",
  ),
  SETUP_COMPLETE: flag(true, "Quay's set-up has been finished."),
  TESTING: flag(false, "Quay's test mode. Leave it false."),
  DEBUG: flag(false, "Debug messages in the log."),
};

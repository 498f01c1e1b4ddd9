import * as z from "zod";
import { flag, optionalObject, optionalText, text, whole } from "../field.ts";

/** Scanner, service keys, and the builders and commercial features of Quay. */
export const securityKeys = {
  FEATURE_SECURITY_SCANNER: flag(false, "Have images scanned by Clair."),
  SECURITY_SCANNER_V4_ENDPOINT: z.string().regex(/^https?:\/\//, "must start with http:// or https://")
    .nullable().default(null)
    .meta({ kind: "text", unit: "URL", description: "Clair." }),
  SECURITY_SCANNER_V4_PSK: optionalText("Key that requests to Clair are signed with; not set: unsigned.", {
    unit: "base64",
    secret: true,
  }),
  SECURITY_SCANNER_INDEXING_INTERVAL: whole(30, "s", "How often images to scan are looked for.", { min: 1 }),
  SECURITY_SCANNER_V4_REINDEX_THRESHOLD: whole(300, "s", "Shortest time between two scans of one image."),
  SECURITY_SCANNER_V4_BATCH_SIZE: whole(0, "manifests", "How many at a time; 0: as many as fit."),
  SECURITY_SCANNER_V4_INDEX_MAX_LAYER_SIZE: optionalText(
    "Images with a larger layer are not scanned; not set: all are.",
    { unit: "<int> G|M" },
  ),
  SECURITY_SCANNER_V4_MANIFEST_CLEANUP: flag(true, "Remove a report from Clair with its image."),
  SECURITY_SCANNER_V4_RECENT_MANIFEST_BATCH_SIZE: whole(
    1000,
    "manifests",
    "How many of the newest images are scanned first.",
  ),
  SECURITY_SCANNER_V4_RECENT_MANIFEST_BATCH_LOCK: flag(false, "Only one node scans the newest images."),
  INSTANCE_SERVICE_KEY_SERVICE: text("quay", "Name of the service that signs tokens."),
  INSTANCE_SERVICE_KEY_KID_LOCATION: text("quay.kid", "File with the id of its key.", { unit: "path" }),
  INSTANCE_SERVICE_KEY_LOCATION: text("quay.pem", "File with its key.", { unit: "path" }),
  INSTANCE_SERVICE_KEY_EXPIRATION: whole(120, "min", "Lifetime of its key.", { min: 1 }),
  INSTANCE_SERVICE_KEY_REFRESH: whole(55, "min", "How often that lifetime is extended.", { min: 1 }),
  UNAPPROVED_SERVICE_KEY_TTL_SEC: whole(86400, "s", "How long a key may wait to be approved."),
  EXPIRED_SERVICE_KEY_TTL_SEC: whole(604800, "s", "How long an expired key is kept."),
  REGISTRY_JWT_AUTH_MAX_FRESH_S: whole(3660, "s", "Longest lifetime that a registry token may claim.", {
    min: 1,
  }),
  FEATURE_BUILD_SUPPORT: flag(true, "Build images. Quaylet does not."),
  FEATURE_GITHUB_BUILD: flag(false, "Builds started by GitHub."),
  FEATURE_BITBUCKET_BUILD: flag(false, "Builds started by Bitbucket."),
  FEATURE_GITLAB_BUILD: flag(false, "Builds started by GitLab."),
  GITHUB_TRIGGER_CONFIG: optionalObject({}, "GitHub application of build triggers.", { secret: true }),
  BITBUCKET_TRIGGER_CONFIG: optionalObject({}, "Bitbucket application of build triggers.", { secret: true }),
  GITLAB_TRIGGER_CONFIG: optionalObject({}, "GitLab application of build triggers.", { secret: true }),
  FEATURE_READER_BUILD_LOGS: flag(false, "Readers of a repository may see its build logs."),
  FEATURE_SIGNING: flag(false, "Apostille, Quay's former signing service."),
  FEATURE_BILLING: flag(false, "Paid plans."),
  FEATURE_RH_MARKETPLACE: flag(false, "Red Hat Marketplace."),
  FEATURE_ENTITLEMENT_RECONCILIATION: flag(false, "Red Hat entitlements."),
  FEATURE_EXPORT_COMPLIANCE: flag(false, "Export checks of quay.io."),
};

import * as z from "zod";
import { ARTIFACT_TYPES } from "../artifact_types.ts";
import { duration, durations, flag, text, texts, whole } from "../field.ts";

/** Repositories, tags, artifacts and garbage collection. */
export const repositoryKeys = {
  CREATE_PRIVATE_REPO_ON_PUSH: flag(true, "A repository made by a push is private."),
  CREATE_NAMESPACE_ON_PUSH: flag(false, "A push to a missing namespace makes an organization."),
  FEATURE_EXTENDED_REPOSITORY_NAMES: flag(true, "Repository names may contain slashes."),
  FEATURE_PUBLIC_CATALOG: flag(false, "The catalog shows public repositories to everybody."),
  FEATURE_LIBRARY_SUPPORT: flag(true, "Names without a namespace belong to LIBRARY_NAMESPACE."),
  LIBRARY_NAMESPACE: text("library", "That namespace."),
  DEFAULT_TAG_EXPIRATION: duration(
    "2w",
    "How long deleted tags can be restored, unless a namespace says otherwise.",
  ),
  TAG_EXPIRATION_OPTIONS: durations(
    ["0s", "1d", "1w", "2w", "4w"],
    "Choices for a namespace; DEFAULT_TAG_EXPIRATION is one of them.",
  ),
  FEATURE_CHANGE_TAG_EXPIRATION: flag(true, "Users may set when tags expire."),
  LABELED_EXPIRATION_MINIMUM: duration("1h", "Shortest expiration that may be set on a tag."),
  LABELED_EXPIRATION_MAXIMUM: duration("104w", "Longest one."),
  LABEL_KEY_RESERVED_PREFIXES: texts(
    [],
    "Prefixes of label keys that users may not set, beside the built-in ones.",
  ),
  PUSH_TEMP_TAG_EXPIRATION_SEC: whole(
    3600,
    "s",
    "How long a pushed blob or an untagged manifest is kept without a tag.",
    { min: 1 },
  ),
  SIGNED_GRANT_EXPIRATION_SEC: whole(86400, "s", "Lifetime of grants to external services.", { min: 1 }),
  PERMANENTLY_DELETE_TAGS: flag(false, "Tags may be deleted past restoring."),
  RESET_CHILD_MANIFEST_EXPIRATION: flag(
    false,
    "Deleting the tag of an index lets go of its children at once.",
  ),
  FEATURE_GARBAGE_COLLECTION: flag(true, "Remove content that nothing refers to."),
  FEATURE_REPOSITORY_GARBAGE_COLLECTION: flag(true, "Remove the content of deleted repositories."),
  FEATURE_NAMESPACE_GARBAGE_COLLECTION: flag(true, "Remove the content of deleted namespaces."),
  GARBAGE_COLLECTION_FREQUENCY: whole(30, "s", "How often it runs.", { min: 1 }),
  FEATURE_GENERAL_OCI_SUPPORT: flag(true, "Accept OCI artifacts."),
  FEATURE_HELM_OCI_SUPPORT: flag(true, "Accept Helm charts."),
  FEATURE_REFERRERS_API: flag(true, "Answer at /v2/<name>/referrers/<digest>."),
  ALLOWED_OCI_ARTIFACT_TYPES: z.record(z.string(), z.array(z.string())).default(() =>
    structuredClone(ARTIFACT_TYPES)
  )
    .meta({
      kind: "object",
      description:
        "Artifact types beside Quay's own: config media type -> media types of layers. Set: types that are not listed are refused, unless IGNORE_UNKNOWN_MEDIATYPES is true.",
    }),
  IGNORE_UNKNOWN_MEDIATYPES: flag(
    false,
    "Accept artifact types that ALLOWED_OCI_ARTIFACT_TYPES does not list.",
  ),
  FEATURE_MANIFEST_SIZE_BACKFILL: flag(true, "Add up sizes of manifests from before sizes were kept."),
  FEATURE_MANIFEST_SUBJECT_BACKFILL: flag(true, "Index the subjects of manifests from before referrers."),
  FEATURE_RESTRICTED_V1_PUSH: flag(
    false,
    "Only listed namespaces may push with the v1 protocol. There is no v1 protocol in Quaylet.",
  ),
  V1_PUSH_WHITELIST: texts([], "Those namespaces."),
  V22_NAMESPACE_BLACKLIST: texts([], "Namespaces that may only push schema 1 manifests."),
  FEATURE_IMMUTABLE_TAGS: flag(false, "Tags may be made immutable.", { since: "3.17" }),
  FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE: flag(false, "… and expire all the same.", { since: "3.17" }),
  FEATURE_SPARSE_INDEX: flag(false, "An index may lack some of its children.", { since: "3.17" }),
  FEATURE_IMAGE_PULL_STATS: flag(false, "Count pulls of each tag.", { since: "3.16" }),
};

import * as z from "zod";
import { duration, flag, optionalText, text, texts, whole } from "../field.ts";

/** One location: `[engine, parameters]`. Which parameters an engine needs: `storage_engines.ts`. */
const location = z.tuple([z.string(), z.record(z.string(), z.unknown())]);
export type StorageLocationConfig = z.infer<typeof location>;

/** Where blobs live. */
export const storageKeys = {
  DISTRIBUTED_STORAGE_CONFIG: z.record(z.string(), location).default({})
    .meta({
      kind: "object",
      secret: true,
      description:
        "Storage locations: `<id>: [<engine>, {parameters}]`. Without config.yaml: one LocalStorage below the data directory.",
    }),
  DISTRIBUTED_STORAGE_PREFERENCE: texts(
    [],
    "Ids of locations in order of preference; the first is written to. The environment variable QUAY_DISTRIBUTED_STORAGE_PREFERENCE (separated by spaces) replaces the list. Empty: the locations in the order in which they are configured.",
  ),
  DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS: texts(
    [],
    "Ids of the locations that every new blob is replicated to.",
  ),
  FEATURE_STORAGE_REPLICATION: flag(false, "Copy blobs between locations in the background."),
  FEATURE_PROXY_STORAGE: flag(
    false,
    "Serve blobs of an object store through the registry in place of redirecting clients to it.",
  ),
  DISTRIBUTED_STORAGE_VALIDATE_ENDTOEND: flag(false, "Health checks write and read an object."),
  USERFILES_LOCATION: optionalText("Location of users' files; not set: the preferred one."),
  USERFILES_PATH: text("userfiles/", "Path of users' files in it."),
  LOG_ARCHIVE_LOCATION: optionalText("Location of archived build logs; not set: the preferred one."),
  LOG_ARCHIVE_PATH: text("logarchive/", "Path of archived build logs in it."),
  CLEAN_BLOB_UPLOAD_FOLDER: flag(true, "Remove files of uploads that were never finished."),
  BLOBUPLOAD_CLEANUP_FREQUENCY: whole(3600, "s", "How often stale uploads are looked for.", { min: 1 }),
  BLOBUPLOAD_DELETION_DATE_THRESHOLD: whole(2880, "min", "Age at which an unfinished upload is stale."),
  STORAGE_SCRUB_INTERVAL: duration(
    "30d",
    "How often each stored copy of a blob is read and compared with its digest. 0d: never. Quaylet's own.",
  ),
  STORAGE_SCRUB_RATE_MB: whole(8, "MB/s", "How much of that is read in a second at most. Quaylet's own.", {
    min: 1,
  }),
  STORAGE_REPLICATION_PROCESSING_SECONDS: whole(
    1200,
    "s",
    "How long one worker may hold a replication task.",
    { min: 1 },
  ),
};

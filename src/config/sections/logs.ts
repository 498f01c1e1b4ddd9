import * as z from "zod";
import { duration, flag, oneOf, optionalText, optionalWhole, text, texts, whole } from "../field.ts";

const portNumber = z.union([z.int(), z.string()]).optional();
const logsModelConfig = z.looseObject({
  producer: z.enum(["kafka", "elasticsearch", "kinesis_stream", "splunk", "splunk_hec"]).optional(),
  elasticsearch_config: z.looseObject({
    host: z.string().optional(),
    port: portNumber,
    access_key: z.string().nullable().optional(),
    secret_key: z.string().nullable().optional(),
    aws_region: z.string().nullable().optional(),
    use_ssl: z.boolean().optional(),
    index_prefix: z.string().optional(),
    index_settings: z.record(z.string(), z.unknown()).optional(),
  }).optional(),
  kafka_config: z.looseObject({
    bootstrap_servers: z.union([z.string(), z.array(z.string())]).optional(),
    topic: z.string().optional(),
    max_block_seconds: z.number().optional(),
  }).optional(),
  kinesis_stream_config: z.looseObject({
    stream_name: z.string().optional(),
    aws_region: z.string().optional(),
    aws_access_key: z.string().nullable().optional(),
    aws_secret_key: z.string().nullable().optional(),
    connect_timeout: z.number().optional(),
    read_timeout: z.number().optional(),
    retries: z.number().optional(),
    max_pool_connections: z.number().optional(),
  }).optional(),
  splunk_config: z.looseObject({
    host: z.string().optional(),
    port: portNumber,
    bearer_token: z.string().optional(),
    url_scheme: z.enum(["http", "https"]).optional(),
    verify_ssl: z.boolean().optional(),
    index_prefix: z.string().optional(),
    ssl_ca_path: z.string().nullable().optional(),
  }).optional(),
  splunk_hec_config: z.looseObject({
    host: z.string().optional(),
    hec_token: z.string().optional(),
    port: portNumber,
    url_scheme: z.enum(["http", "https"]).optional(),
    verify_ssl: z.boolean().optional(),
    ssl_ca_path: z.string().nullable().optional(),
    index: z.string().optional(),
    splunk_host: z.string().optional(),
    splunk_sourcetype: z.string().optional(),
  }).optional(),
});
export type LogsModelConfig = z.infer<typeof logsModelConfig>;

/** The audit log. */
export const logKeys = {
  LOGS_MODEL: oneOf(
    ["database", "transition_reads_both_writes_es", "elasticsearch", "splunk"],
    "database",
    "Where audit records go.",
  ),
  LOGS_MODEL_CONFIG: logsModelConfig.default({})
    .meta({
      kind: "object",
      secret: true,
      description:
        "Parameters for it: producer, and elasticsearch_config, kafka_config, kinesis_stream_config, splunk_config or splunk_hec_config.",
    }),
  ACTION_LOG_AUDIT_LOGINS: flag(true, "Record sign-ins and sign-outs."),
  ACTION_LOG_AUDIT_LOGIN_FAILURES: flag(false, "Record failed sign-ins."),
  ACTION_LOG_AUDIT_PULL_FAILURES: flag(false, "Record failed pulls."),
  ACTION_LOG_AUDIT_PUSH_FAILURES: flag(false, "Record failed pushes."),
  ACTION_LOG_AUDIT_DELETE_FAILURES: flag(false, "Record failed deletions."),
  ALLOW_PULLS_WITHOUT_STRICT_LOGGING: flag(
    false,
    "Let pulls and sign-ins pass when they cannot be recorded.",
  ),
  ALLOW_WITHOUT_STRICT_LOGGING: flag(false, "Let everything pass when it cannot be recorded."),
  FEATURE_ACTION_LOG_ROTATION: flag(false, "Move old records to an archive."),
  ACTION_LOG_ARCHIVE_LOCATION: optionalText("Storage location of the archive."),
  ACTION_LOG_ARCHIVE_PATH: text("actionlogarchive/", "Path in it."),
  ACTION_LOG_ROTATION_THRESHOLD: duration("30d", "Age of records that are moved."),
  ACTION_LOG_ROTATION_FREQUENCY: whole(43200, "s", "How often they are.", { min: 1 }),
  MINIMUM_LOGS_AGE_FOR_ARCHIVE: duration("7d", "Records younger than this stay."),
  FEATURE_AGGREGATED_LOG_COUNT_RETRIEVAL: flag(true, "Offer counts of records by day."),
  FEATURE_LOG_EXPORT: flag(true, "Records may be exported."),
  EXPORT_ACTION_LOGS_STORAGE_PATH: text("exportedactionlogs", "Path of exports in the preferred location."),
  EXPORT_ACTION_LOGS_SECONDS: whole(3600, "s", "How long the link to an export works.", { min: 1 }),
  EXPORT_ACTION_LOGS_MAXIMUM_QUERY_TIME_SECONDS: whole(30, "s", "Longest query of an export.", { min: 1 }),
  EXPORT_ACTION_LOGS_WORKER_POLL_PERIOD: whole(60, "s", "How often asked-for exports are looked for.", {
    min: 1,
  }),
  ACTION_LOG_MAX_PAGE: optionalWhole(
    "pages",
    "Last page of records that may be asked for; not set: no limit.",
  ),
  DISABLED_FOR_AUDIT_LOGS: texts([], "Namespaces whose actions are not recorded."),
  DISABLED_FOR_PULL_LOGS: texts([], "Namespaces whose pulls are not recorded."),
  FEATURE_EXTENDED_ACTION_LOGGING: flag(false, "Record more kinds of action.", { since: "3.18" }),
};

import * as z from "zod";
import { flag, optionalObject, optionalText } from "../field.ts";

const redis = {
  host: z.string().optional(),
  port: z.union([z.int(), z.string()]).optional(),
  password: z.string().nullable().optional(),
  ssl: z.boolean().optional(),
  db: z.int().optional(),
};

/** DB_CONNECTION_ARGS: what Quaylet understands of it; the rest is libpq's and is kept. */
const connectionArgs = z.looseObject({
  threadlocals: z.boolean().optional(),
  autorollback: z.boolean().optional(),
  ssl: z.looseObject({ ca: z.string().optional() }).optional(),
  sslmode: z.enum(["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]).optional(),
  sslrootcert: z.string().optional(),
  sslcert: z.string().optional(),
  sslkey: z.string().optional(),
  connect_timeout: z.union([z.int(), z.string()]).optional(),
});
export type DbConnectionArgs = z.infer<typeof connectionArgs>;

/** PostgreSQL, secrets, and the Redis and cache keys of Quay. */
export const databaseKeys = {
  DB_URI: optionalText(
    "External PostgreSQL, `postgresql://user:password@host:port/name`. Not set: the embedded one.",
    { unit: "URI", secret: true },
  ),
  DB_CONNECTION_ARGS: connectionArgs.default({ threadlocals: true, autorollback: true })
    .meta({
      kind: "object",
      description: "Connection parameters: sslmode, sslrootcert, ssl.ca, connect_timeout (s) …",
    }),
  DB_CONNECTION_POOLING: flag(true, "Keep database connections open between requests."),
  DB_READ_REPLICAS: z.array(z.looseObject({ DB_URI: z.string() })).nullable().default(null)
    .meta({ kind: "list", secret: true, description: "Replicas that may answer reads: a list of {DB_URI}." }),
  DATABASE_SECRET_KEY: optionalText(
    "Key that encrypts secrets in the database. Not set: made once and kept in the data directory. Losing it loses the robots' tokens.",
    { secret: true },
  ),
  SECRET_KEY: optionalText(
    "Key that signs sessions and encrypts passwords. Not set: made once and kept in the data directory.",
    { secret: true },
  ),
  PAGE_TOKEN_KEY: optionalText("Key that seals page tokens. Not set: derived from SECRET_KEY.", {
    secret: true,
  }),
  BUILDLOGS_REDIS: optionalObject(redis, "Redis of Quay's build logs.", { secret: true }),
  USER_EVENTS_REDIS: optionalObject(redis, "Redis of Quay's user events.", { secret: true }),
  PULL_METRICS_REDIS: optionalObject(redis, "Redis of Quay's pull statistics.", {
    secret: true,
    since: "3.16",
  }),
  DATA_MODEL_CACHE_CONFIG: optionalObject(
    { engine: z.string().optional() },
    "Quay's cache: engine noop, inmemory, memcached, redis or rediscluster, and its parameters.",
    { secret: true },
  ),
};

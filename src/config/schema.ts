import * as z from "zod";
import { appearanceKeys } from "./sections/appearance.ts";
import { databaseKeys } from "./sections/database.ts";
import { hostKeys } from "./sections/host.ts";
import { logKeys } from "./sections/logs.ts";
import { mirrorQuotaKeys } from "./sections/mirror_quota.ts";
import { repositoryKeys } from "./sections/repositories.ts";
import { securityKeys } from "./sections/security.ts";
import { type LoginConfig, signInKeys } from "./sections/sign_in.ts";
import { storageKeys } from "./sections/storage.ts";
import { userKeys } from "./sections/users.ts";

/** The sections of config.yaml in the order of the reference. */
export const SECTIONS = [
  { title: "Host names, TLS, listeners, health", keys: hostKeys },
  { title: "Database and Redis", keys: databaseKeys },
  { title: "Storage", keys: storageKeys },
  { title: "Users, sessions, robots, tokens", keys: userKeys },
  { title: "Directories and external sign-in", keys: signInKeys },
  { title: "Repositories, tags, garbage collection", keys: repositoryKeys },
  { title: "Mirroring, proxy cache, quotas, auto-pruning", keys: mirrorQuotaKeys },
  { title: "Audit log", keys: logKeys },
  { title: "Mail, notifications, appearance", keys: appearanceKeys },
  { title: "Scanner, service keys, builds", keys: securityKeys },
] as const;

export const CONFIG_SHAPE = {
  ...hostKeys,
  ...databaseKeys,
  ...storageKeys,
  ...userKeys,
  ...signInKeys,
  ...repositoryKeys,
  ...mirrorQuotaKeys,
  ...logKeys,
  ...appearanceKeys,
  ...securityKeys,
};

export const configSchema = z.object(CONFIG_SHAPE);

export type ConfigKey = keyof typeof CONFIG_SHAPE;

/**
 * config.yaml with every default filled in, under Quay's own key names. Spans of time stay as Quay spells them
 * (`durationMs` reads them); keys without a default are `null` until set. Any other `<PREFIX>_LOGIN_CONFIG` is an
 * OpenID Connect provider.
 */
export type Config = z.infer<typeof configSchema> & {
  [key: `${string}_LOGIN_CONFIG`]: LoginConfig | null | undefined;
};

/** All defaults, with `overrides` in place. What loads a real configuration is `loadConfig`. */
export function defaultConfig(overrides: Partial<Config> = {}): Config {
  return { ...configSchema.parse({}), ...overrides };
}

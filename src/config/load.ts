import { ACTED_ON, NOT_NEEDED } from "./acted_on.ts";
import type { RawConfig } from "./document.ts";
import type { Notice, Problem } from "./problem.ts";
import { databaseRule, storageRule } from "./rules/data.ts";
import { hostRule, proxyRule, timeRule, tlsRule } from "./rules/host.ts";
import type { Rule } from "./rules/rule.ts";
import { linkRule, mailRule, scannerRule } from "./rules/services.ts";
import { authenticationRule, captchaRule, oauthRule, providersRule, waysInRule } from "./rules/sign_in.ts";
import { type Config, type ConfigKey, defaultConfig } from "./schema.ts";
import { keepSecrets, newSecrets, readSecrets } from "./secrets_file.ts";
import { checkValues, schemaOf } from "./values.ts";

export type { Notice, Problem } from "./problem.ts";

export interface LoadOptions {
  configDir?: string | undefined;
  dataDir: string;
  env: Readonly<Record<string, string | undefined>>;
  /** `false`: make no secrets.json, for a look that must not change anything. */
  keepSecrets?: boolean;
}

export interface LoadedConfig {
  /** Usable only when `problems` is empty; until then a key with a problem has its default. */
  config: Config;
  /** Each stops the start; all are found at once. */
  problems: Problem[];
  notices: Notice[];
  /** Whether there was a config.yaml. */
  hasFile: boolean;
}

const RULES: readonly Rule[] = [
  hostRule,
  tlsRule,
  proxyRule,
  databaseRule,
  storageRule,
  authenticationRule,
  waysInRule,
  providersRule,
  oauthRule,
  captchaRule,
  timeRule,
  mailRule,
  scannerRule,
  linkRule,
];

/** What differs from Quay's defaults when nobody has written a config.yaml: an appliance that works by itself. */
const WITHOUT_FILE: Partial<Config> = {
  FEATURE_USER_INITIALIZE: true,
  FEATURE_LISTEN_IP_VERSION: "dual-stack",
  FEATURE_MAILING: false,
};

/**
 * The configuration: defaults, then `<configDir>/config.yaml`, then env `QUAY_OVERRIDE_CONFIG` (JSON), then
 * `QUAY_DISTRIBUTED_STORAGE_PREFERENCE`. Reports; never throws over what an operator wrote.
 */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const { configDir, dataDir, env } = options;
  const file = configDir === undefined ? undefined : await readConfigFile(`${configDir}/config.yaml`);
  const override = await readOverride(env.QUAY_OVERRIDE_CONFIG);
  const checked = checkValues({ ...file?.values, ...override.values });
  const problems = [...file?.problems ?? [], ...override.problems, ...checked.problems];
  const notices = [...file?.notices ?? [], ...checked.notices];

  const preference = env.QUAY_DISTRIBUTED_STORAGE_PREFERENCE?.split(/\s+/).filter(Boolean) ?? [];
  if (preference.length > 0) checked.values.DISTRIBUTED_STORAGE_PREFERENCE = preference;

  const config = {
    ...defaultConfig(),
    ...(file === undefined ? WITHOUT_FILE : {}),
    ...checked.values,
  } as Config;
  // A location list that was refused must not turn into storing elsewhere; the problem stops the start.
  fillStorage(config, dataDir, "DISTRIBUTED_STORAGE_CONFIG" in checked.values);
  await fillSecrets(config, options, problems);

  const refused = new Set(problems.map((problem) => problem.key.split(".", 1)[0]));
  const tlsFiles = configDir === undefined ? { cert: false, key: false } : {
    cert: await exists(`${configDir}/ssl.cert`),
    key: await exists(`${configDir}/ssl.key`),
  };
  const isSet = (key: string) => Object.hasOwn(checked.values, key);
  const report = (problem: Problem) => {
    // The value was already refused; judging its default would only confuse.
    if (!refused.has(problem.key.split(".", 1)[0])) problems.push(problem);
  };
  const advise = (notice: Notice) => void notices.push(notice);
  for (const rule of RULES) {
    // Without the locations that were refused, what refers to them cannot be judged.
    if (rule === storageRule && refused.has("DISTRIBUTED_STORAGE_CONFIG")) continue;
    rule({ config, isSet, tlsFiles, report, advise });
  }

  notices.push(...withoutEffect(Object.keys(checked.values)));
  return { config, problems, notices, hasFile: file !== undefined };
}

/** Keys that were set and change nothing, each with the reason. */
function withoutEffect(keys: string[]): Notice[] {
  return keys.flatMap((key): Notice[] => {
    const reason = NOT_NEEDED[key as ConfigKey];
    if (reason !== undefined) {
      return [{ key, kind: "not_needed", message: `${key} has no effect: ${reason}` }];
    }
    if (ACTED_ON.has(key)) return [];
    return [{
      key,
      kind: "not_acted_on",
      message: `${key} is known, but this version does not act on it yet.`,
    }];
  });
}

async function readConfigFile(path: string): Promise<RawConfig | undefined> {
  try {
    const { size, isFile } = await Deno.stat(path);
    // Not held in memory by a node that has no such file.
    const { LARGEST_FILE_BYTES, parseConfigText } = await import("./document.ts");
    if (isFile && size <= LARGEST_FILE_BYTES) {
      return parseConfigText(await Deno.readTextFile(path), "config.yaml");
    }
    const message = isFile ? "config.yaml is larger than 4 MiB." : `${path} is not a file.`;
    return {
      values: {},
      problems: [{ key: "config.yaml", message, mend: "Keep only configuration in it." }],
      notices: [],
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    const message = `${path} cannot be read: ${error instanceof Error ? error.message : error}`;
    const mend = "Give the user that runs Quaylet the right to read it.";
    return { values: {}, problems: [{ key: "config.yaml", message, mend }], notices: [] };
  }
}

async function readOverride(text: string | undefined): Promise<RawConfig> {
  if (text === undefined || text.trim() === "") return { values: {}, problems: [], notices: [] };
  try {
    JSON.parse(text);
  } catch {
    const key = "QUAY_OVERRIDE_CONFIG";
    const mend = 'Write an object, such as {"SUPER_USERS": ["admin"]}.';
    return {
      values: {},
      problems: [{ key, message: "QUAY_OVERRIDE_CONFIG is not valid JSON.", mend }],
      notices: [],
    };
  }
  const { parseConfigText } = await import("./document.ts");
  return parseConfigText(text, "QUAY_OVERRIDE_CONFIG");
}

function fillStorage(config: Config, dataDir: string, isSet: boolean): void {
  if (!isSet) {
    config.DISTRIBUTED_STORAGE_CONFIG = { default: ["LocalStorage", { storage_path: `${dataDir}/storage` }] };
  }
  for (const [engine, parameters] of Object.values(config.DISTRIBUTED_STORAGE_CONFIG)) {
    if (engine !== "LocalStorage") continue;
    const path = parameters.storage_path ?? "storage";
    if (typeof path === "string" && !path.startsWith("/")) parameters.storage_path = `${dataDir}/${path}`;
  }
  if (config.DISTRIBUTED_STORAGE_PREFERENCE.length === 0) {
    config.DISTRIBUTED_STORAGE_PREFERENCE = Object.keys(config.DISTRIBUTED_STORAGE_CONFIG);
  }
}

async function fillSecrets(config: Config, options: LoadOptions, problems: Problem[]): Promise<void> {
  if (!isMissing(config.SECRET_KEY) && !isMissing(config.DATABASE_SECRET_KEY)) return;
  try {
    const path = `${options.dataDir}/secrets.json`;
    const kept = options.keepSecrets === false
      ? await readSecrets(path) ?? newSecrets()
      : await keepSecrets(options.dataDir);
    if (isMissing(config.SECRET_KEY)) config.SECRET_KEY = kept.SECRET_KEY;
    if (isMissing(config.DATABASE_SECRET_KEY)) config.DATABASE_SECRET_KEY = kept.DATABASE_SECRET_KEY;
  } catch (error) {
    const message = `The secret keys cannot be kept: ${error instanceof Error ? error.message : error}`;
    problems.push({
      key: "SECRET_KEY",
      message,
      mend: "Make the data directory writable, or set SECRET_KEY and DATABASE_SECRET_KEY in config.yaml.",
    });
  }
}

function isMissing(secret: string | null): boolean {
  return secret === null || secret === "";
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    // Not allowed to look: whoever reads it will say so in better words.
    return !(error instanceof Deno.errors.NotFound);
  }
}

/** Whether a key holds secrets, for everything that prints a configuration. */
export function isSecretKey(key: string): boolean {
  const meta = schemaOf(key)?.meta();
  return meta?.secret === true || /(SECRET|PASSWORD|PASSWD|TOKEN|PSK)/.test(key) ||
    key.endsWith("_LOGIN_CONFIG");
}

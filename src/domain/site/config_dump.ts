import * as z from "zod";
import { ACTED_ON, NOT_NEEDED } from "../../config/acted_on.ts";
import { type Config, type ConfigKey, configSchema } from "../../config/schema.ts";
import { schemaOf } from "../../config/values.ts";
import { AppError } from "../../lib/errors.ts";
import { redact } from "../../lib/redact.ts";
import type { Actor } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { requireSuperuser } from "../access/rights.ts";

const MASK = "**********";
/** Environment variables that this program reads; others are nobody's business here. */
const OWN_VARIABLES = /^QUAY(LET)?_/;
/** These hold whole configurations. */
const SECRET_VARIABLES = new Set(["QUAY_OVERRIDE_CONFIG"]);

export interface ConfigDump {
  /** What the registry runs with; secrets are masked. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Keys that are set and have no effect, and why. */
  readonly warning: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, unknown>>;
  /** JSON Schema of config.yaml. */
  readonly schema: Readonly<Record<string, unknown>>;
}

/**
 * The running configuration, with every value masked whose schema says that it is a secret, and with what looks like one
 * redacted in the others.
 * @param actor a superuser
 * @throws {AppError} `feature_disabled` without `FEATURE_SUPERUSER_CONFIGDUMP`
 */
export function dumpConfig(
  deps: Pick<Deps, "config">,
  actor: Actor,
  env: Readonly<Record<string, string>>,
): ConfigDump {
  if (!deps.config.FEATURE_SUPERUSER_CONFIGDUMP) throw new AppError("feature_disabled", "Not Found");
  requireSuperuser(deps.config, actor);
  return {
    config: masked(deps.config),
    warning: withoutEffect(deps.config),
    env: Object.fromEntries(
      Object.entries(env).filter(([name]) => OWN_VARIABLES.test(name))
        .map(([name, value]) => [name, SECRET_VARIABLES.has(name) ? MASK : redacted(name, value)]),
    ),
    schema: configJsonSchema(),
  };
}

function masked(config: Config): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      isSecretKey(key) && !isNothing(value) ? MASK : redacted(key, value),
    ]),
  );
}

/** A provider of sign-in under any name holds a secret, whatever the schema of its kind says. */
function isSecretKey(key: string): boolean {
  return key.endsWith("_LOGIN_CONFIG") || schemaOf(key)?.meta()?.secret === true;
}

/** That nothing is set may be told. */
function isNothing(value: unknown): boolean {
  return value === null || value === undefined || value === "" ||
    typeof value === "object" && Object.keys(value).length === 0;
}

/** The value as it is, unless it or its name looks like a secret. */
function redacted(name: string, value: unknown): unknown {
  return (redact({ [name]: value }) as Record<string, unknown>)[name];
}

function withoutEffect(config: Config): Record<string, string> {
  const found: Record<string, string> = {};
  const defaults = configSchema.parse({}) as Record<string, unknown>;
  for (const [key, value] of Object.entries(config)) {
    if (JSON.stringify(value) === JSON.stringify(defaults[key]) || ACTED_ON.has(key)) continue;
    if (!Object.hasOwn(defaults, key)) continue;
    found[key] = NOT_NEEDED[key as ConfigKey] ?? "This version of Quaylet does not act on it yet.";
  }
  return found;
}

let schemaText: Record<string, unknown> | undefined;

/** Made when it is first asked for: few ever do. */
function configJsonSchema(): Record<string, unknown> {
  return schemaText ??= z.toJSONSchema(configSchema, { io: "input", unrepresentable: "any" });
}

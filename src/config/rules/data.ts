import { AVAILABLE_STORAGE_ENGINES } from "../acted_on.ts";
import { nearestKey } from "../nearest_key.ts";
import { STORAGE_ENGINES } from "../storage_engines.ts";
import type { Rule } from "./rule.ts";

export const databaseRule: Rule = ({ config, isSet, advise, report }) => {
  const uri = config.DB_URI;
  if (uri === null) return;
  const key = "DB_URI";
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(uri)?.[1]?.toLowerCase() ?? "";
  if (/^(mysql|sqlite)/.test(scheme)) {
    const name = scheme.startsWith("mysql") ? "MySQL" : "SQLite";
    report({
      key,
      message: `DB_URI names ${name}; Quaylet works with PostgreSQL only.`,
      mend:
        "Leave DB_URI out to use the embedded PostgreSQL, or write postgresql://user:password@host:5432/name.",
    });
  } else if (!/^postgres(ql)?(\+psycopg2?)?$/.test(scheme)) {
    report({
      key,
      message: "DB_URI must start with postgresql://.",
      mend: "Write postgresql://user:password@host:5432/name.",
    });
  } else if (!URL.canParse(uri)) {
    report({
      key,
      message: "DB_URI is not a valid URI.",
      mend:
        "Write postgresql://user:password@host:5432/name, with special characters of the password as %XX.",
    });
  } else if (!isSet("DATABASE_SECRET_KEY") || !isSet("SECRET_KEY")) {
    advise({
      key: "DATABASE_SECRET_KEY",
      kind: "advice",
      message:
        "DATABASE_SECRET_KEY and SECRET_KEY are not both set: every node on this database needs the same ones.",
    });
  }
};

export const storageRule: Rule = ({ config, isSet, advise, report }) => {
  const ids = Object.keys(config.DISTRIBUTED_STORAGE_CONFIG);
  if (ids.length === 0) {
    report({
      key: "DISTRIBUTED_STORAGE_CONFIG",
      message: "DISTRIBUTED_STORAGE_CONFIG needs at least one location.",
      mend:
        "Leave the key out to store below the data directory, or write default: [LocalStorage, {storage_path: /path}].",
    });
    return;
  }
  for (const [id, [engine, parameters]] of Object.entries(config.DISTRIBUTED_STORAGE_CONFIG)) {
    const required = Object.hasOwn(STORAGE_ENGINES, engine) ? STORAGE_ENGINES[engine] : undefined;
    if (required === undefined) {
      const nearest = nearestEngine(engine);
      report({
        key: `DISTRIBUTED_STORAGE_CONFIG.${id}`,
        message: `Location ${id} has an unknown engine.`,
        mend: nearest === undefined
          ? `Use one of ${Object.keys(STORAGE_ENGINES).join(", ")}.`
          : `Did you mean ${nearest}?`,
      });
      continue;
    }
    for (const name of required) {
      if (parameters[name] !== undefined && parameters[name] !== null && parameters[name] !== "") continue;
      const key = `DISTRIBUTED_STORAGE_CONFIG.${id}.${name}`;
      report({ key, message: `${key} is required.`, mend: `${engine} cannot work without it.` });
    }
    const path = parameters.storage_path;
    if (path !== undefined && path !== null && typeof path !== "string") {
      const key = `DISTRIBUTED_STORAGE_CONFIG.${id}.storage_path`;
      report({ key, message: `${key} must be text.`, mend: "Write a path." });
    }
  }
  for (const key of ["DISTRIBUTED_STORAGE_PREFERENCE", "DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS"] as const) {
    for (const id of config[key]) reportUnknownLocation(key, id);
  }
  for (const key of ["USERFILES_LOCATION", "LOG_ARCHIVE_LOCATION"] as const) {
    if (isSet(key) && config[key] !== null) reportUnknownLocation(key, config[key]);
  }
  if (config.FEATURE_ACTION_LOG_ROTATION) {
    const key = "ACTION_LOG_ARCHIVE_LOCATION";
    if (config[key] === null) {
      report({
        key,
        message: `${key} is required.`,
        mend: `FEATURE_ACTION_LOG_ROTATION needs one of ${ids.join(", ")}.`,
      });
    } else reportUnknownLocation(key, config[key]);
  }
  reportEngines();

  function reportUnknownLocation(key: string, id: string): void {
    if (Object.hasOwn(config.DISTRIBUTED_STORAGE_CONFIG, id)) return;
    report({
      key,
      message: `${key} names ${id}, which is not in DISTRIBUTED_STORAGE_CONFIG.`,
      mend: `Use ${ids.join(", ")}, or configure ${id}.`,
    });
  }

  function reportEngines(): void {
    for (const [id, [engine]] of Object.entries(config.DISTRIBUTED_STORAGE_CONFIG)) {
      if (!Object.hasOwn(STORAGE_ENGINES, engine) || AVAILABLE_STORAGE_ENGINES.has(engine)) continue;
      report({
        key: `DISTRIBUTED_STORAGE_CONFIG.${id}`,
        message: `Location ${id} is a ${engine}, which is not available in this version.`,
        mend: engine === "SwiftStorage"
          ? "OpenStack has no SDK that could be used. Its S3 API (s3api, or Ceph RGW's) works: S3Storage with endpoint_url, or RadosGWStorage."
          : `Use one of ${[...AVAILABLE_STORAGE_ENGINES].join(", ")}, or leave the location out.`,
      });
    }
    if (!config.FEATURE_STORAGE_REPLICATION) return;
    if (config.DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS.length === 0) {
      advise({
        key: "DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS",
        kind: "advice",
        message:
          "FEATURE_STORAGE_REPLICATION is on, but DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS names no location to copy to.",
      });
    }
    const local = ids.filter((id) => config.DISTRIBUTED_STORAGE_CONFIG[id]?.[0] === "LocalStorage");
    if (local.length > 0) {
      report({
        key: "FEATURE_STORAGE_REPLICATION",
        message: `Replication does not work with LocalStorage (${local.join(", ")}).`,
        mend: "Use object stores for all locations, or set FEATURE_STORAGE_REPLICATION: false.",
      });
    }
  }
};

function nearestEngine(engine: string): string | undefined {
  const byUpper = new Map(Object.keys(STORAGE_ENGINES).map((name) => [name.toUpperCase(), name]));
  return byUpper.get(nearestKey(engine, byUpper.keys()) ?? "");
}

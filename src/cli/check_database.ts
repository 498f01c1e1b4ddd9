import { isWritable, nearestFolder } from "./check_folders.ts";
import type { Config } from "../config/schema.ts";
import { findPostgresPackage } from "../drivers/database/embedded_binaries.ts";
import { openPool, type Pool } from "../drivers/database/postgres.ts";
import { selectServerFacts } from "../drivers/database/queries/server.ts";
import { serviceUser } from "../drivers/database/service_user.ts";
import type { Finding } from "./finding.ts";

/** Oldest PostgreSQL that is tested with. */
const OLDEST_VERSION = 130000;
const PATIENCE_MS = 10_000;

/** The external server is reachable and usable; or the embedded one is complete and has a place to live. */
export async function checkDatabase(
  dataDir: string,
  config: Pick<Config, "DB_URI" | "DB_CONNECTION_ARGS">,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Finding[]> {
  if (config.DB_URI !== null) return await checkServer(config.DB_URI, config.DB_CONNECTION_ARGS);
  return [...await checkProgram(env), ...await checkDataFolder(dataDir)];
}

async function checkServer(uri: string, args: Config["DB_CONNECTION_ARGS"]): Promise<Finding[]> {
  const base = { subject: "database", key: "DB_URI" } as const;
  const place = new URL(uri).host;
  let sql: Pool | undefined;
  try {
    // Reads the CA file of DB_CONNECTION_ARGS, which may be missing.
    sql = openPool({ target: { uri, args, shared: true }, max: 1, applicationName: "quaylet check" });
    const facts = await within(PATIENCE_MS, selectServerFacts(sql));
    const findings: Finding[] = [];
    const version = `${Math.floor(facts.version / 10_000)}.${facts.version % 10_000}`;
    if (facts.version < OLDEST_VERSION) {
      const mend = "Upgrade it to a version that is still maintained.";
      findings.push({
        ...base,
        level: "warning",
        message: `PostgreSQL ${version} at ${place} is older than 13.`,
        mend,
      });
    }
    if (facts.trigrams === "missing") {
      const mend = "Install PostgreSQL's contrib package on the server.";
      findings.push({
        ...base,
        level: "problem",
        message: `The extension pg_trgm is not available at ${place}.`,
        mend,
      });
    } else if (facts.trigrams === "available") {
      const mend = "As the database's superuser: CREATE EXTENSION pg_trgm; (the first start tries it, too)";
      findings.push({
        ...base,
        level: "warning",
        message: "The extension pg_trgm is not installed in this database yet.",
        mend,
      });
    }
    if (!facts.mayCreate) {
      const mend = "GRANT CREATE ON SCHEMA public TO this user.";
      findings.push({
        ...base,
        level: "problem",
        message: "The user of DB_URI may not create tables.",
        mend,
      });
    }
    return [...findings, { ...base, level: "ok", message: `PostgreSQL ${version} at ${place} answers.` }];
  } catch (error) {
    const mend = "Check host, port, user, password, database name and pg_hba.conf of the server.";
    return [{
      ...base,
      level: "problem",
      message: `PostgreSQL at ${place} cannot be used: ${reasonOf(error)}.`,
      mend,
    }];
  } finally {
    await sql?.end({ timeout: 1 }).catch(() => {});
  }
}

/** The driver's own words; AppError keeps them in its cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error
    ? cause.message || (cause as { code?: string }).code || cause.name
    : String(cause);
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** PostgreSQL's own files are there, and there is a user who may run it. */
async function checkProgram(env: Readonly<Record<string, string | undefined>>): Promise<Finding[]> {
  const base = { subject: "database", level: "problem" } as const;
  const findings: Finding[] = [];
  try {
    const folder = env.QUAYLET_POSTGRES ??
      `${await findPostgresPackage(new URL("../..", import.meta.url).pathname.replace(/\/$/, ""))}/native`;
    await Deno.stat(`${folder}/bin/postgres`);
  } catch (error) {
    const message = `The embedded PostgreSQL is incomplete: ${reasonOf(error)}.`;
    findings.push({ ...base, message, mend: "Install Quaylet again." });
  }
  try {
    await serviceUser();
  } catch (error) {
    const mend = "useradd --system quaylet, or run Quaylet as an ordinary user.";
    findings.push({ ...base, message: `${reasonOf(error)}.`, mend });
  }
  return findings;
}

async function checkDataFolder(dataDir: string): Promise<Finding[]> {
  const base = { subject: "database", key: dataDir } as const;
  const mend = `Make ${dataDir} a folder that the user who runs Quaylet can write to.`;
  const there = await nearestFolder(dataDir);
  if (there === undefined) {
    return [{ ...base, level: "problem", message: `${dataDir} is below something that is no folder.`, mend }];
  }
  if (!isWritable(there)) {
    return [{ ...base, level: "problem", message: `${there} cannot be written to.`, mend }];
  }
  const message = there === dataDir
    ? `The embedded PostgreSQL lives in ${dataDir}.`
    : `${dataDir} is not there yet; the first start makes it and the embedded PostgreSQL in it.`;
  return [{ ...base, level: "ok", message }];
}

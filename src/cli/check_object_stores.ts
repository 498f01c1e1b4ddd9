import { readExtraAuthorities } from "../config/extra_authorities.ts";
import type { Config } from "../config/schema.ts";
import { openLocation } from "../drivers/storage/open.ts";
import { createMetrics } from "../lib/metrics.ts";
import type { Finding } from "./finding.ts";

/** A store that takes longer to begin an answer is taken for one that hangs. */
const ANSWER_MS = 5_000;
/** Longer than a store that hangs takes to be given up. */
const LIMIT_MS = 60_000;

/** Each object store lets itself be written to, read and tidied. Leaves nothing behind. */
export async function checkObjectStores(configDir: string | undefined, config: Config): Promise<Finding[]> {
  const ids = Object.entries(config.DISTRIBUTED_STORAGE_CONFIG).flatMap(([id, [engine]]) =>
    engine === "LocalStorage" ? [] : [id]
  );
  return await Promise.all(ids.map((id) => checkOne(id, configDir, config)));
}

async function checkOne(id: string, configDir: string | undefined, config: Config): Promise<Finding> {
  const key = `DISTRIBUTED_STORAGE_CONFIG.${id}`;
  const base = { subject: "storage", key } as const;
  try {
    const authorities = await readExtraAuthorities(configDir);
    const metrics = createMetrics();
    const driver = await openLocation(config, id, { configDir, authorities, metrics, answerMs: ANSWER_MS });
    try {
      await within(driver.probe());
    } finally {
      await driver.close?.();
    }
    return { ...base, level: "ok", message: `${id} can be written to, read and tidied.` };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const reason = error instanceof Error && error.message.startsWith(key) ? error : cause;
    return {
      ...base,
      level: "problem",
      message: `${id} does not work: ${reason instanceof Error ? reason.message : reason}.`,
      mend: `Correct the parameters of ${key}, or what they name.`,
    };
  }
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${LIMIT_MS / 1000} s`)), LIMIT_MS);
  });
  return await Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

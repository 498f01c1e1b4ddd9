import * as z from "zod";
import type { QuotaReport } from "../../domain/quota_report.ts";

/** Fields of people and organizations, where quotas are kept. */
export const quotaFields = {
  quotas: z.array(z.object({
    id: z.int(),
    limit_bytes: z.int(),
    limit: z.string().meta({ description: "The same for people, such as 1.0 GiB." }),
    default_config: z.boolean(),
    default_config_exists: z.boolean(),
    limits: z.array(z.object({ id: z.int(), type: z.string(), limit_percent: z.int() })),
  })).optional(),
  quota_report: z.object({
    quota_bytes: z.int(),
    configured_quota: z.int().nullable(),
    running_backfill: z.string(),
    backfill_status: z.string(),
  }).optional(),
};

const fieldsSchema = z.object(quotaFields);

/** Nothing where quotas are off. @param defaultBytes `DEFAULT_SYSTEM_REJECT_QUOTA_BYTES` */
export function quotaView(
  report: QuotaReport | undefined,
  defaultBytes: number,
): z.infer<typeof fieldsSchema> {
  if (report === undefined) return {};
  const { quota, usedBytes, limitBytes, backfill } = report;
  return {
    quotas: quota === undefined ? [] : [{
      id: quota.id,
      limit_bytes: quota.limitBytes,
      limit: binarySize(quota.limitBytes),
      default_config: false,
      default_config_exists: defaultBytes > 0,
      limits: quota.limits.map(({ id, type, percent }) => ({ id, type, limit_percent: percent })),
    }],
    quota_report: {
      quota_bytes: usedBytes,
      configured_quota: limitBytes,
      running_backfill: backfill,
      backfill_status: backfill,
    },
  };
}

/** `10.0 GiB`. */
export function binarySize(bytes: number): string {
  const units = ["Byte", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}

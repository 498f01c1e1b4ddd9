/** Quotas and what is held, as every answer that tells of them does. */
import * as z from "zod";
import type { Deps } from "../../domain/deps.ts";
import { type QuotaReport, reportNamespaces } from "../../domain/quota/quota_reports.ts";
import type { QuotaLimitRow, QuotaRow } from "../../domain/quota/quotas.ts";
import { formatBytes } from "../../lib/byte_size.ts";

export const quotaLimitSchema = z.object({
  id: z.int(),
  type: z.enum(["Warning", "Reject"]),
  limit_percent: z.int(),
});

export const quotaSchema = z.object({
  id: z.int().nullable().meta({ description: "null: the default of the site." }),
  // Not z.int(), which ends at 2^53.
  limit_bytes: z.number().meta({ type: "integer" }),
  limit: z.string().meta({ description: "limit_bytes in words, such as 10.0 GiB." }),
  default_config: z.boolean(),
  default_config_exists: z.boolean(),
  limits: z.array(quotaLimitSchema),
});

const backfill = z.enum(["", "waiting", "running", "complete"]);

export const quotaReportSchema = z.object({
  quota_bytes: z.int().meta({ description: "What is held." }),
  configured_quota: z.int().nullable().meta({ description: "Bytes; null: no limit." }),
  running_backfill: backfill.optional(),
  backfill_status: backfill.optional(),
});

export function quotaLimitView({ id, type, percent }: QuotaLimitRow): z.infer<typeof quotaLimitSchema> {
  return { id, type, limit_percent: percent };
}

export function quotaView({ config }: Pick<Deps, "config">, quota: QuotaRow): z.infer<typeof quotaSchema> {
  return {
    id: quota.id,
    limit_bytes: quota.limitBytes,
    limit: formatBytes(quota.limitBytes),
    default_config: false,
    default_config_exists: config.DEFAULT_SYSTEM_REJECT_QUOTA_BYTES > 0,
    limits: quota.limits.map(quotaLimitView),
  };
}

/** A namespace's quota as a list; without one of its own, the default of the site. */
export function quotaList(
  deps: Pick<Deps, "config">,
  quota: QuotaRow | undefined,
): z.infer<typeof quotaSchema>[] {
  if (quota !== undefined) return [quotaView(deps, quota)];
  const { DEFAULT_SYSTEM_REJECT_QUOTA_BYTES: bytes } = deps.config;
  if (bytes === 0) return [];
  return [{
    id: null,
    limit_bytes: bytes,
    limit: formatBytes(bytes),
    default_config: true,
    default_config_exists: true,
    limits: [],
  }];
}

export function namespaceReportView(report: QuotaReport): z.infer<typeof quotaReportSchema> {
  const { sizeBytes, configuredBytes, backfill } = report;
  return {
    quota_bytes: sizeBytes,
    configured_quota: configuredBytes,
    running_backfill: backfill,
    backfill_status: backfill,
  };
}

export function repositoryReportView(report: QuotaReport): z.infer<typeof quotaReportSchema> {
  return { quota_bytes: report.sizeBytes, configured_quota: report.configuredBytes };
}

/** The fields `quotas` and `quota_report` of namespaces, by id; none without `FEATURE_QUOTA_MANAGEMENT`. */
export const quotaFields = {
  quotas: z.array(quotaSchema).optional(),
  quota_report: quotaReportSchema.optional(),
};

/** Those fields for some namespaces, for as many statements as for one. */
export async function quotaFieldsOf(
  deps: Pick<Deps, "sql" | "config">,
  namespaceIds: readonly number[],
): Promise<
  (id: number) => { quotas?: z.infer<typeof quotaSchema>[]; quota_report?: z.infer<typeof quotaReportSchema> }
> {
  const found = await reportNamespaces(deps, namespaceIds);
  return (id) => {
    const known = found?.get(id);
    if (known === undefined) return {};
    return { quotas: quotaList(deps, known.quota), quota_report: namespaceReportView(known.report) };
  };
}

/** A mirror's settings as Quay's clients send and see them (api.md §10), and Quaylet's own beside them. */
import * as z from "zod";
import { LINK_LIMITS } from "../../config/link_limits.ts";
import type { NewMirrorSettings } from "../../domain/mirroring/administration.ts";
import type { Deps } from "../../domain/deps.ts";
import { usernameOf } from "../../domain/mirroring/inspection.ts";
import { limitsFrom, type MirrorLimits } from "../../domain/mirroring/limits.ts";
import { type Mirror, type MirrorProxy, statusName } from "../../domain/mirroring/model.ts";
import { type MirrorChange, mirrorDate, type OptionalRules } from "../../domain/mirroring/settings.ts";

export const mirrorDateSchema = z.string().regex(
  /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/,
  "must be YYYY-MM-DDTHH:MM:SSZ",
).refine(
  // Not 31 February.
  (text) => Number.isFinite(Date.parse(text)) && mirrorDate(Date.parse(text)) === text,
  "is no date",
);

const rootRule = z.object({
  rule_kind: z.literal("tag_glob_csv"),
  rule_value: z.array(z.string()).min(1)
    .meta({ description: "Patterns of tags (fnmatch); one that fits is enough." }),
});

export const registryConfigSchema = z.object({
  verify_tls: z.boolean().nullish()
    .meta({ description: "false: any certificate will do, and plain HTTP as well." }),
  unsigned_images: z.boolean().nullish(),
  proxy: z.object({
    http_proxy: z.string().nullish(),
    https_proxy: z.string().nullish(),
    no_proxy: z.string().nullish(),
  }).nullish(),
});

const rules = z.object({
  exclude: z.array(z.string()).optional().meta({ description: "Patterns of tags that are never taken." }),
  semver: z.string().optional()
    .meta({ description: "Only tags that are versions in this range, such as ^1.2 || >=3.0.0." }),
  newest: z.int().min(1).optional().meta({ description: "The highest so many, by version." }),
  platforms: z.array(z.string()).optional()
    .meta({ description: "os/architecture[/variant] of the images to take; none: all." }),
  referrers: z.union([z.enum(["all", "none"]), z.array(z.string())]).optional()
    .meta({ description: "What comes along with an image: all (default), none, or these artifact types." }),
}).meta({
  description: "Quaylet's own: which of the matching tags are taken, and what of them. Set as a whole.",
});

const limits = z.object({
  ...LINK_LIMITS,
  concurrency: LINK_LIMITS.concurrency.meta({ description: "Layers fetched at once; 6 unless given." }),
}).meta({
  description:
    "Quaylet's own: what the mirror may take of its link. Set as a whole; acts within seconds, also on a run that is under way. " +
    "Outside its windows, and when a budget is used up, a run pauses and goes on later where it was.",
});

const optional = {
  is_enabled: z.boolean().optional(),
  external_registry_username: z.string().nullish(),
  external_registry_password: z.string().nullish(),
  external_registry_config: registryConfigSchema.nullish(),
  skopeo_timeout_interval: z.int().min(300).max(43_200).optional()
    .meta({ description: "s; longest time for one small request." }),
  architecture_filter: z.array(z.string()).nullish()
    .meta({ description: "Of an index, only these; the index itself stays as it is." }),
  rules: rules.optional(),
  limits: limits.optional(),
};

const interval = z.int().min(0).max(0x7fffffff).meta({ description: "s; 0: never by itself." });

export const newMirrorSchema = z.object({
  external_reference: z.string().meta({ description: "host[:port]/path" }),
  sync_interval: interval,
  sync_start_date: mirrorDateSchema,
  root_rule: rootRule,
  robot_username: z.string().meta({
    description: "A robot of the same namespace, which may write from then on.",
  }),
  ...optional,
});

export const changedMirrorSchema = z.object({
  external_reference: z.string().optional(),
  sync_interval: interval.optional(),
  sync_start_date: mirrorDateSchema.optional(),
  root_rule: rootRule.optional(),
  robot_username: z.string().optional(),
  ...optional,
});

export const mirrorSchema = z.object({
  is_enabled: z.boolean(),
  mirror_type: z.literal("PULL"),
  external_reference: z.string(),
  external_registry_username: z.string().nullable(),
  external_registry_config: registryConfigSchema,
  sync_interval: z.int(),
  sync_start_date: z.string().nullable(),
  sync_expiration_date: z.string().nullable(),
  sync_retries_remaining: z.int(),
  sync_status: z.string(),
  root_rule: rootRule,
  robot_username: z.string(),
  skopeo_timeout_interval: z.int(),
  architecture_filter: z.array(z.string()),
  rules,
  limits,
});

export function newSettingsOf(body: z.infer<typeof newMirrorSchema>): NewMirrorSettings {
  return {
    ...changeOf(body),
    reference: body.external_reference,
    intervalS: body.sync_interval,
    startMs: Date.parse(body.sync_start_date),
    globs: body.root_rule.rule_value,
    robotName: body.robot_username,
  };
}

export function changeOf(body: z.infer<typeof changedMirrorSchema>): MirrorChange {
  return {
    ...connectionOf(body),
    enabled: body.is_enabled,
    reference: body.external_reference,
    unsignedImages: body.external_registry_config?.unsigned_images ?? undefined,
    intervalS: body.sync_interval,
    startMs: body.sync_start_date === undefined ? undefined : Date.parse(body.sync_start_date),
    globs: body.root_rule?.rule_value,
    robotName: body.robot_username,
    timeoutS: body.skopeo_timeout_interval,
    architectures: body.architecture_filter === null ? [] : body.architecture_filter,
    rules: body.rules as OptionalRules | undefined,
    limits: body.limits && limitsFrom(body.limits),
  };
}

/** How the other registry is reached. */
export function connectionOf(body: {
  external_registry_username?: string | null | undefined;
  external_registry_password?: string | null | undefined;
  external_registry_config?: z.infer<typeof registryConfigSchema> | null | undefined;
}): Pick<MirrorChange, "username" | "password" | "verifyTls" | "proxy"> {
  const config = body.external_registry_config ?? undefined;
  const proxy = config?.proxy ?? undefined;
  return {
    username: body.external_registry_username,
    password: body.external_registry_password,
    verifyTls: config?.verify_tls ?? undefined,
    proxy: proxy && {
      httpProxy: emptyAsNull(proxy.http_proxy),
      httpsProxy: emptyAsNull(proxy.https_proxy),
      noProxy: emptyAsNull(proxy.no_proxy),
    },
  };
}

export function proxyView({ httpProxy, httpsProxy, noProxy }: MirrorProxy) {
  return { http_proxy: httpProxy, https_proxy: httpsProxy, no_proxy: noProxy };
}

/** Forms of Quay's console send what was left empty. */
function emptyAsNull(text: string | null | undefined): string | null | undefined {
  return text === "" ? null : text;
}

export function mirrorView(deps: Pick<Deps, "secrets">, mirror: Mirror): z.infer<typeof mirrorSchema> {
  const { source, architectures, rules: { globs, ...others } } = mirror;
  // Of Quay's filter, which is shown by itself.
  const isFilter = others.platforms !== undefined && others.platforms.join() === architectures.join();
  const { platforms, ...rest } = others;
  const rules = { ...rest, ...(platforms !== undefined && !isFilter && { platforms }) };
  const username = usernameOf(deps, mirror);
  return {
    is_enabled: mirror.enabled,
    mirror_type: "PULL",
    external_reference: source.reference,
    external_registry_username: username === undefined ? "(invalid. please re-enter)" : username,
    external_registry_config: {
      verify_tls: source.verifyTls,
      unsigned_images: mirror.unsignedImages,
      proxy: proxyView(source.proxy),
    },
    sync_interval: mirror.intervalS,
    sync_start_date: mirror.startMs === null ? null : mirrorDate(mirror.startMs),
    sync_expiration_date: mirror.expirationMs === null ? null : mirrorDate(mirror.expirationMs),
    sync_retries_remaining: mirror.retriesRemaining,
    sync_status: statusName(mirror.status),
    root_rule: { rule_kind: "tag_glob_csv", rule_value: [...globs] },
    robot_username: mirror.robotName,
    skopeo_timeout_interval: mirror.timeoutS,
    architecture_filter: [...architectures],
    rules: rules as z.infer<typeof mirrorSchema>["rules"],
    limits: limitsView(mirror.limits),
  };
}

function limitsView(stored: MirrorLimits): z.infer<typeof limits> {
  const { bytesPerSecond, concurrency, windows, dailyBytes, monthlyBytes } = stored;
  return {
    ...(bytesPerSecond !== undefined && { bytes_per_second: bytesPerSecond }),
    ...(concurrency !== undefined && { concurrency }),
    ...(windows !== undefined && { windows: [...windows] }),
    ...(dailyBytes !== undefined && { daily_bytes: dailyBytes }),
    ...(monthlyBytes !== undefined && { monthly_bytes: monthlyBytes }),
  };
}

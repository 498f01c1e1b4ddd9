/** What people set of a mirror: checked, and as it is stored. */
import type { MirrorSettingsRow } from "../../drivers/database/queries/mirror.ts";
import { AppError } from "../../lib/errors.ts";
import type { Deps } from "../deps.ts";
import { parseExternalReference } from "./external_reference.ts";
import type { MirrorLimits } from "./limits.ts";
import type { MirrorProxy } from "./model.ts";
import type { MirrorRules } from "./rules.ts";
import { checkRange } from "./versions.ts";
import { parseWindow } from "../../lib/daily_windows.ts";

export type OptionalRules = Omit<MirrorRules, "globs">;

/** Absent fields stay as they are. */
export interface MirrorChange {
  readonly enabled?: boolean | undefined;
  readonly reference?: string | undefined;
  /** Null, with the password's, clears both. */
  readonly username?: string | null | undefined;
  readonly password?: string | null | undefined;
  readonly verifyTls?: boolean | undefined;
  readonly unsignedImages?: boolean | undefined;
  /** Of it, too, absent fields stay; null clears one. */
  readonly proxy?: { readonly [K in keyof MirrorProxy]?: string | null | undefined } | undefined;
  readonly intervalS?: number | undefined;
  /** Epoch milliseconds. */
  readonly startMs?: number | undefined;
  readonly globs?: readonly string[] | undefined;
  /** `namespace+name`. */
  readonly robotName?: string | undefined;
  readonly timeoutS?: number | undefined;
  readonly architectures?: readonly string[] | undefined;
  /** As a whole: what it does not name is off. */
  readonly rules?: OptionalRules | undefined;
  /** As a whole. */
  readonly limits?: MirrorLimits | undefined;
}

/** Those that Quay's filter knows (3.17). */
export const MIRROR_ARCHITECTURES = ["amd64", "arm64", "ppc64le", "s390x"] as const;

const MOST = { globs: 1000, globLength: 512, exclude: 1000, platforms: 32, referrers: 100, windows: 32 };
const MOST_INTERVAL_S = 0x7fffffff;
const LEAST_TIMEOUT_S = 300;
const MOST_TIMEOUT_S = 43_200;
const MOST_BLOBS_AT_ONCE = 64;
const SECRET_LENGTH = 4096;
const PLATFORM = /^(?:[a-z0-9_]{1,32}|[a-z0-9_]{1,32}\/[a-z0-9_]{1,32}(?:\/[a-z0-9._]{1,32})?)$/;

/** @throws {AppError} `invalid_request`, which names the field */
export function checkMirrorChange(change: MirrorChange): void {
  const { reference, username, password, intervalS, startMs, timeoutS, architectures, rules, limits } =
    change;
  if (reference !== undefined) parseExternalReference(reference);
  if (password !== undefined && password !== null && (username === undefined || username === null)) {
    throw invalid("external_registry_password needs external_registry_username beside it");
  }
  checkCredentials(username, password);
  if (intervalS !== undefined) checkWhole("sync_interval", intervalS, 0, MOST_INTERVAL_S);
  if (startMs !== undefined && !Number.isFinite(startMs)) throw invalid("sync_start_date is no date");
  if (timeoutS !== undefined) {
    checkWhole("skopeo_timeout_interval", timeoutS, LEAST_TIMEOUT_S, MOST_TIMEOUT_S);
  }
  if (change.globs !== undefined) {
    checkGlobs("root_rule.rule_value", change.globs, MOST.globs);
    if (change.globs.length === 0) throw invalid("root_rule.rule_value needs a pattern at least");
  }
  const unknown = architectures?.find((name) => !(MIRROR_ARCHITECTURES as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw invalid(
      `architecture_filter: "${unknown.slice(0, 50)}" is none of ${MIRROR_ARCHITECTURES.join(", ")}`,
    );
  }
  checkProxy(change.proxy);
  if (rules !== undefined) checkRules(rules);
  if (limits !== undefined) checkLimits("limits", limits);
}

/** @throws {AppError} `invalid_request` */
export function checkCredentials(...texts: readonly (string | null | undefined)[]): void {
  for (const text of texts) {
    if (text !== undefined && text !== null && (text.length > SECRET_LENGTH || text.includes("\0"))) {
      throw invalid(`credentials have at most ${SECRET_LENGTH} characters`);
    }
  }
}

function checkRules({ exclude = [], semver, newest, platforms = [], referrers }: OptionalRules): void {
  checkGlobs("rules.exclude", exclude, MOST.exclude);
  if (semver !== undefined) checkRange(semver);
  if (newest !== undefined) checkWhole("rules.newest", newest, 1, MOST_INTERVAL_S);
  const odd = platforms.find((platform) => !PLATFORM.test(platform));
  if (platforms.length > MOST.platforms || odd !== undefined) {
    throw invalid("rules.platforms are written os/architecture[/variant], or just architecture");
  }
  if (
    typeof referrers === "object" &&
    (referrers.length > MOST.referrers || referrers.some((t) => t.length > 255))
  ) {
    throw invalid(`rules.referrers are "all", "none", or at most ${MOST.referrers} artifact types`);
  }
}

/** @throws {AppError} `invalid_request` */
export function checkLimits(where: string, limits: MirrorLimits): void {
  const { bytesPerSecond, concurrency, windows = [], dailyBytes, monthlyBytes } = limits;
  const most = Number.MAX_SAFE_INTEGER;
  if (bytesPerSecond !== undefined) checkWhole(`${where}.bytes_per_second`, bytesPerSecond, 1, most);
  if (concurrency !== undefined) checkWhole(`${where}.concurrency`, concurrency, 1, MOST_BLOBS_AT_ONCE);
  if (dailyBytes !== undefined) checkWhole(`${where}.daily_bytes`, dailyBytes, 1, most);
  if (monthlyBytes !== undefined) checkWhole(`${where}.monthly_bytes`, monthlyBytes, 1, most);
  if (windows.length > MOST.windows) throw invalid(`${where}.windows: ${MOST.windows} at most`);
  for (const window of windows) parseWindow(window);
}

function checkProxy(proxy: MirrorChange["proxy"]): void {
  const urls = { http_proxy: proxy?.httpProxy, https_proxy: proxy?.httpsProxy };
  for (const [key, text] of Object.entries(urls)) {
    if (text === undefined || text === null) continue;
    const url = text.length <= 1024 && URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
      throw invalid(`${key} is http://host:port or https://host:port`);
    }
  }
  if ((proxy?.noProxy?.length ?? 0) > 4096) throw invalid("no_proxy has at most 4096 characters");
}

/** @throws {AppError} `invalid_request` */
export function checkGlobs(where: string, globs: readonly string[], most: number): void {
  if (globs.length > most) throw invalid(`${where}: ${most} patterns at most`);
  const odd = globs.find((glob) => glob === "" || glob.length > MOST.globLength || glob.includes("\0"));
  if (odd !== undefined) throw invalid(`${where}: a pattern has 1 to ${MOST.globLength} characters`);
}

/** @throws {AppError} `invalid_request` */
export function checkWhole(field: string, value: number, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw invalid(`${field} is a whole number from ${least} to ${most}`);
  }
}

function invalid(message: string): AppError {
  return new AppError("invalid_request", message);
}

/** Quay's `external_registry_config`. */
export interface RegistryConfig {
  verify_tls?: boolean | null;
  unsigned_images?: boolean | null;
  proxy?: { http_proxy?: string | null; https_proxy?: string | null; no_proxy?: string | null } | null;
}

export function proxyOf({ proxy }: RegistryConfig): MirrorProxy {
  return {
    httpProxy: proxy?.http_proxy ?? null,
    httpsProxy: proxy?.https_proxy ?? null,
    noProxy: proxy?.no_proxy ?? null,
  };
}

/** What a new mirror has where nothing else is said. */
export const NEW_MIRROR: Omit<
  MirrorSettingsRow,
  "reference" | "intervalS" | "startMs" | "globsJson" | "robotId"
> = {
  enabled: true,
  sealedUsername: null,
  sealedPassword: null,
  registryConfigJson: JSON.stringify({ verify_tls: true, unsigned_images: false, proxy: {} }),
  rulesJson: "{}",
  limitsJson: "{}",
  architecturesJson: null,
  timeoutS: LEAST_TIMEOUT_S,
};

/** The columns that `change` sets, on top of what is stored; the robot is not among them. */
export function columnsOf(
  { secrets }: Pick<Deps, "secrets">,
  before: Pick<MirrorSettingsRow, "registryConfigJson">,
  change: MirrorChange,
): Partial<MirrorSettingsRow> {
  const seal = (text: string | null) => text === null ? null : secrets.encrypt(text);
  const { username, password, globs, rules, limits, architectures } = change;
  return defined({
    enabled: change.enabled,
    reference: change.reference,
    sealedUsername: username === undefined ? undefined : seal(username),
    // A password by itself is of no use.
    sealedPassword: username === null ? null : password === undefined ? undefined : seal(password),
    registryConfigJson: registryConfigOf(before.registryConfigJson, change),
    globsJson: globs && JSON.stringify(globs),
    rulesJson: rules && JSON.stringify(rules),
    limitsJson: limits && JSON.stringify(limits),
    architecturesJson: architectures && JSON.stringify(architectures),
    intervalS: change.intervalS,
    startMs: change.startMs,
    timeoutS: change.timeoutS,
  });
}

function registryConfigOf(
  beforeJson: string,
  { verifyTls, unsignedImages, proxy }: MirrorChange,
): string | undefined {
  if (verifyTls === undefined && unsignedImages === undefined && proxy === undefined) return undefined;
  const before = JSON.parse(beforeJson) as RegistryConfig;
  const merged: RegistryConfig = {
    ...before,
    ...defined({ verify_tls: verifyTls, unsigned_images: unsignedImages }),
    ...(proxy && {
      proxy: {
        ...before.proxy,
        ...defined({ http_proxy: proxy.httpProxy, https_proxy: proxy.httpsProxy, no_proxy: proxy.noProxy }),
      },
    }),
  };
  return JSON.stringify(merged);
}

/** Fields that were set, as the action log names them (mirror.md §8); what is secret is masked. */
export function loggedFields(change: MirrorChange): [changed: string, to: unknown][] {
  const { proxy, password, startMs } = change;
  const fields: [string, unknown][] = [
    ["is_enabled", change.enabled],
    ["external_reference", change.reference],
    ["robot_username", change.robotName],
    ["sync_start_date", startMs === undefined ? undefined : mirrorDate(startMs)],
    ["sync_interval", change.intervalS],
    ["external_registry_username", change.username],
    ["external_registry_password", typeof password === "string" ? "********" : password],
    ["verify_tls", change.verifyTls],
    ["unsigned_images", change.unsignedImages],
    ["http_proxy", masked(proxy?.httpProxy)],
    ["https_proxy", masked(proxy?.httpsProxy)],
    ["no_proxy", proxy?.noProxy],
    ["mirror_rule", change.globs],
    ["skopeo_timeout_interval", change.timeoutS],
    ["architecture_filter", change.architectures],
    ["rules", change.rules],
    ["limits", change.limits],
  ];
  return fields.filter(([, to]) => to !== undefined);
}

/** A proxy's URL may hold a password. */
function masked(proxy: string | null | undefined): string | null | undefined {
  if (typeof proxy !== "string") return proxy;
  const url = new URL(proxy);
  if (url.password !== "") url.password = "********";
  return url.href;
}

/** `2026-11-24T02:00:00Z`. */
export function mirrorDate(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/\.\d{3}Z$/, "Z");
}

function defined<T extends Record<string, unknown>>(
  fields: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const set = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(set) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

/** What people set of an organization's mirror: checked, and as it is stored. */
import type { MirrorSettingsRow } from "../../drivers/database/queries/mirror.ts";
import type { OrganizationMirrorSettingsRow } from "../../drivers/database/queries/organization_mirror.ts";
import type { Visibility } from "../../drivers/database/queries/repository.ts";
import type { RegistryProduct } from "../../drivers/upstream/driver.ts";
import { AppError } from "../../lib/errors.ts";
import type { Deps } from "../deps.ts";
import { parseExternalReference } from "./external_reference.ts";
import {
  checkCredentials,
  checkGlobs,
  checkMirrorChange,
  checkWhole,
  columnsOf,
  type MirrorChange,
} from "./settings.ts";

/** Absent fields stay as they are. */
export interface OrganizationMirrorChange extends
  Pick<
    MirrorChange,
    | "enabled"
    | "username"
    | "password"
    | "verifyTls"
    | "proxy"
    | "intervalS"
    | "startMs"
    | "robotName"
    | "timeoutS"
    | "architectures"
  > {
  readonly registryUrl?: string | undefined;
  readonly namespace?: string | undefined;
  readonly filters?: readonly string[] | undefined;
  readonly visibility?: Visibility | undefined;
}

/** What must be said of a new one. */
export interface NewOrganizationMirror extends OrganizationMirrorChange {
  readonly product: RegistryProduct;
  readonly registryUrl: string;
  readonly namespace: string;
  readonly robotName: string;
  readonly visibility: Visibility;
  readonly intervalS: number;
  readonly startMs: number;
}

/** Quay's user name for an OAuth token as password. */
export const TOKEN_USERNAME = "$oauthtoken";

const MOST_FILTERS = 1000;
const LEAST_INTERVAL_S = 60;
const MOST_INTERVAL_S = 0x7fffffff;
const LEAST_TIMEOUT_S = 30;
const MOST_TIMEOUT_S = 3600;
const URL_LENGTH = 2048;

/**
 * @param set what will be stored where `change` says nothing
 * @throws {AppError} `invalid_request`, which names the field
 */
export function checkOrganizationMirror(
  change: OrganizationMirrorChange,
  set: { registryUrl: string; namespace: string; verifyTls: boolean; hasUsername: boolean },
): void {
  const { username, password, verifyTls, intervalS, timeoutS, filters, startMs, proxy, architectures } =
    change;
  const url = checkRegistryUrl(change.registryUrl ?? set.registryUrl);
  if (url.protocol === "http:" && (verifyTls ?? set.verifyTls)) {
    throw invalid("external_registry_url without TLS needs external_registry_config.verify_tls: false");
  }
  const namespace = change.namespace ?? set.namespace;
  if (namespace.includes("/") || !isReference(`${url.host}/${namespace}`)) {
    throw invalid("external_namespace is the name of an organization (Quay) or a project (Harbor)");
  }
  const willHaveUsername = username === undefined ? set.hasUsername : username !== null;
  if (typeof password === "string" && !willHaveUsername) {
    throw invalid("external_registry_password needs external_registry_username beside it");
  }
  checkCredentials(username, password);
  checkMirrorChange({ startMs, proxy, architectures });
  if (intervalS !== undefined) checkWhole("sync_interval", intervalS, LEAST_INTERVAL_S, MOST_INTERVAL_S);
  if (timeoutS !== undefined) checkWhole("skopeo_timeout", timeoutS, LEAST_TIMEOUT_S, MOST_TIMEOUT_S);
  if (filters !== undefined) checkGlobs("repository_filters", filters, MOST_FILTERS);
}

function checkRegistryUrl(text: string): URL {
  const url = text.length <= URL_LENGTH ? URL.parse(text) : null;
  const isPlain = url !== null && ["http:", "https:"].includes(url.protocol) && url.username === "" &&
    url.password === "" && url.pathname === "/" && url.search === "" && url.hash === "";
  if (!isPlain || !isReference(`${url.host}/x`)) {
    throw invalid("external_registry_url is https://host[:port], without path and credentials");
  }
  return url;
}

function isReference(text: string): boolean {
  try {
    parseExternalReference(text);
    return true;
  } catch (error) {
    if (error instanceof AppError) return false;
    throw error;
  }
}

/** What the organization's mirror and those of its repositories both have, as `change` sets it. */
export function sharedColumns(
  deps: Pick<Deps, "secrets">,
  before: Pick<MirrorSettingsRow, "registryConfigJson">,
  change: OrganizationMirrorChange,
): Pick<
  Partial<MirrorSettingsRow>,
  | "enabled"
  | "sealedUsername"
  | "sealedPassword"
  | "registryConfigJson"
  | "intervalS"
  | "startMs"
  | "timeoutS"
  | "architecturesJson"
> {
  const { enabled, username, password, verifyTls, proxy, intervalS, startMs, timeoutS, architectures } =
    change;
  const shared = {
    enabled,
    username,
    password,
    verifyTls,
    proxy,
    intervalS,
    startMs,
    timeoutS,
    architectures,
  };
  return columnsOf(deps, before, shared);
}

/** What only the organization's mirror has. */
export function ownColumns(change: OrganizationMirrorChange): Partial<OrganizationMirrorSettingsRow> {
  const { registryUrl, namespace, filters, visibility, architectures } = change;
  return {
    ...(registryUrl !== undefined && { registryUrl: new URL(registryUrl).origin }),
    ...(namespace !== undefined && { namespace }),
    ...(filters !== undefined && { filtersJson: JSON.stringify(filters) }),
    ...(visibility !== undefined && { visibility }),
    ...(architectures !== undefined && { architecturesJson: JSON.stringify(architectures) }),
  };
}

/** What a new one has where nothing else is said. */
export const NEW_ORGANIZATION_MIRROR = {
  enabled: true,
  sealedUsername: null,
  sealedPassword: null,
  registryConfigJson: JSON.stringify({ verify_tls: true, proxy: {} }),
  filtersJson: "[]",
  architecturesJson: "[]",
  timeoutS: 300,
} as const;

function invalid(message: string): AppError {
  return new AppError("invalid_request", message);
}

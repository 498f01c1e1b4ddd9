/**
 * Mirrors of organizations: what is in a namespace of another registry, followed as a whole.
 *
 *   orgmirrorconfig ---> workers/organization_mirror.ts: one holder, heartbeat, cancel, release
 *   (one an organization)         |
 *                        organization_discovery.ts   1 reads the other registry's whole list, or nothing is done
 *                                 |                  2 writes down what is new, gone and back (orgmirrorrepository)
 *                                 |                  3 makes the repositories that are missing, each with its mirror
 *                                 v
 *   repomirrorconfig ---> the mirrors of repositories, as everywhere (mirrors.ts): they have the organization's
 *   (one a repository)    settings and dates, take every tag, and never remove one
 *
 * Repositories are made by the discovery, not by their first run: from then on one table with one index says what is due,
 * whoever made it, and a repository that cannot be made is told of at once. What is gone at the other side, or left out by
 * the filters, stays as it is and rests (SKIP).
 */
import type { Sql } from "../../drivers/database/postgres.ts";
import {
  type OrganizationMirrorRow,
  REGISTRY_TYPE,
  selectOrganizationMirror,
} from "../../drivers/database/queries/organization_mirror.ts";
import type { Visibility } from "../../drivers/database/queries/repository.ts";
import type { RegistryProduct } from "../../drivers/upstream/driver.ts";
import { type Mirror, SYNC_STATUS, type SyncStatus } from "./model.ts";
import { proxyOf, type RegistryConfig } from "./settings.ts";

/** `orgmirrorrepository.sync_status`: those of mirrors, and what rests. */
export const REPOSITORY_SYNC_STATUS = { ...SYNC_STATUS, SKIP: 4 } as const;

/** The mirror of an organization: one row of `orgmirrorconfig`. */
export interface OrganizationMirror extends
  Pick<
    Mirror,
    | "id"
    | "robotId"
    | "robotName"
    | "enabled"
    | "intervalS"
    | "startMs"
    | "expirationMs"
    | "retriesRemaining"
    | "transactionId"
    | "architectures"
  > {
  readonly organizationId: number;
  readonly organization: string;
  readonly createdMs: number;
  readonly product: RegistryProduct;
  /** `https://host[:port]`, or `http://`. */
  readonly registryUrl: string;
  /** Quay's organization or user, Harbor's project. */
  readonly namespace: string;
  readonly source: Pick<Mirror["source"], "sealedUsername" | "sealedPassword" | "verifyTls" | "proxy">;
  readonly registryConfigJson: string;
  /** Patterns of repositories (fnmatch); empty: all. */
  readonly filters: readonly string[];
  /** Of the repositories that are made. */
  readonly visibility: Visibility;
  /** Of the discovery. */
  readonly status: SyncStatus;
  /** How the last discovery ended, in words. */
  readonly statusMessage: string | null;
  readonly timeoutS: number;
  /** The next discovery lets all repositories run. */
  readonly repositoriesAsked: boolean;
}

export async function findOrganizationMirror(
  sql: Sql,
  organizationId: number,
): Promise<OrganizationMirror | undefined> {
  const row = await selectOrganizationMirror(sql, organizationId);
  return row && organizationMirrorOf(row);
}

export function organizationMirrorOf(row: OrganizationMirrorRow): OrganizationMirror {
  const { registryType, sealedUsername, sealedPassword, filtersJson, architecturesJson, ...same } = row;
  const config = JSON.parse(row.registryConfigJson) as RegistryConfig;
  return {
    ...same,
    product: registryType === REGISTRY_TYPE.harbor ? "harbor" : "quay",
    source: {
      sealedUsername,
      sealedPassword,
      verifyTls: config.verify_tls ?? true,
      proxy: proxyOf(config),
    },
    filters: JSON.parse(filtersJson) as string[],
    architectures: JSON.parse(architecturesJson) as string[],
    status: row.status as SyncStatus,
  };
}

/** `host[:port]` of the other registry. */
export function registryOf({ registryUrl }: Pick<OrganizationMirror, "registryUrl">): string {
  return new URL(registryUrl).host;
}

/** What the references of the repositories' mirrors begin with. */
export function referencePrefix(mirror: Pick<OrganizationMirror, "registryUrl" | "namespace">): string {
  return `${registryOf(mirror)}/${mirror.namespace}/`;
}

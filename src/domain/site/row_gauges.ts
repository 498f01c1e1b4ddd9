import { countRows } from "../../drivers/database/queries/health.ts";
import { countOrganizationMirrors } from "../../drivers/database/queries/organization_mirror.ts";
import type { Deps } from "../deps.ts";

/**
 * Sets the gauges of how many repositories, users, organizations, robots and mirrors of organizations there are. To be called by one thread of
 * the node, every `GLOBAL_PROMETHEUS_STATS_FREQUENCY` seconds: gauges of several threads are added up.
 * @throws {AppError} `database_unavailable`
 */
export async function refreshRowGauges(deps: Pick<Deps, "sql" | "metrics">): Promise<void> {
  const counts = await countRows(deps.sql);
  const { repositoryRows, userRows, orgRows, robotRows, orgMirrors, orgMirrorsEnabled } = deps.metrics;
  repositoryRows.labels().set(counts.repositories);
  userRows.labels().set(counts.users);
  orgRows.labels().set(counts.organizations);
  robotRows.labels().set(counts.robots);
  const mirrors = await countOrganizationMirrors(deps.sql);
  orgMirrors.labels().set(mirrors.all);
  orgMirrorsEnabled.labels().set(mirrors.enabled);
}

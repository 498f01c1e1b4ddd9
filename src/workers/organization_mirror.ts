import type { Deps } from "../domain/deps.ts";
import { type DiscoveryOutcome, runDiscovery } from "../domain/mirroring/organization_discovery.ts";
import { type OrganizationMirror, organizationMirrorOf } from "../domain/mirroring/organization_mirrors.ts";
import { releaseOf } from "../domain/mirroring/release.ts";
import {
  claimOrganizationMirror,
  countDueOrganizationMirrors,
  releaseOrganizationMirror,
  selectOrganizationMirrorById,
} from "../drivers/database/queries/organization_mirror.ts";
import { countFollowed } from "../drivers/database/queries/organization_mirror_repository.ts";
import { renewSyncLease } from "../drivers/database/queries/sync.ts";
import { type HeldRun, LeasedRuns } from "./leased_runs.ts";

/** A slow registry does not keep the others waiting. */
const DISCOVERIES_AT_ONCE = 4;

/**
 * Looks every `ORG_MIRROR_INTERVAL` for mirrors of organizations that are due, and discovers what they follow; what was
 * asked for by hand comes within moments. What has been found is mirrored by `repo_mirror.ts`.
 * @returns stops what runs (it is taken up by whoever comes next) and waits for it
 */
export function startOrganizationMirrorWorker(deps: Deps): () => Promise<void> {
  const runs: LeasedRuns = new LeasedRuns(deps, {
    table: "orgmirrorconfig",
    what: "a discovery",
    most: DISCOVERIES_AT_ONCE,
    everyMs: deps.config.ORG_MIRROR_INTERVAL * 1000,
    claim: (claim) => claimOrganizationMirror(deps.sql, claim),
    run: (held) => run(deps, runs, held),
  });
  return () => runs.stop();
}

async function run(deps: Deps, runs: LeasedRuns, held: HeldRun): Promise<void> {
  const row = await selectOrganizationMirrorById(deps.sql, held.id);
  if (row === undefined) return; // deleted a moment ago
  const mirror = organizationMirrorOf(row);
  const startedMs = deps.now();
  let outcome: DiscoveryOutcome = { kind: "given_up" };
  try {
    outcome = await runDiscovery(deps, mirror, held);
  } finally {
    await runs.release(held.id, () => release(deps, mirror, held, outcome), outcome.kind === "failed");
    await measure(deps, mirror, outcome, deps.now() - startedMs);
  }
}

async function release(
  { sql, now }: Deps,
  mirror: OrganizationMirror,
  held: HeldRun,
  outcome: DiscoveryOutcome,
): Promise<void> {
  if (outcome.kind === "cancelled") return;
  if (outcome.kind === "given_up") return void await renewSyncLease(sql, "orgmirrorconfig", held, now());
  const { kind, message } = outcome;
  const end = releaseOf(mirror, outcome, now());
  await releaseOrganizationMirror(sql, held, end, { message, passedOn: kind === "success" });
}

async function measure(
  { sql, metrics, log, now }: Deps,
  { organization }: OrganizationMirror,
  outcome: DiscoveryOutcome,
  tookMs: number,
): Promise<void> {
  const fields = { organization, seconds: Math.round(tookMs / 1000) };
  if (outcome.kind === "success" || outcome.kind === "failed") {
    const { kind, message } = outcome;
    metrics.orgMirrorDiscoveries.labels(kind === "success" ? "success" : "failure").inc();
    metrics.orgMirrorDiscoveryDuration.labels().observe(tookMs / 1000);
    if (kind === "success") log.info("discovered", { ...fields, message });
    else log.warn("discovery failed", { ...fields, message });
  } else log.info(`discovery ${outcome.kind}`, fields);
  try {
    metrics.orgMirrorsPendingDiscovery.labels().set(await countDueOrganizationMirrors(sql, now()));
    metrics.orgMirrorReposDiscovered.labels().set(await countFollowed(sql));
  } catch (error) {
    log.debug("mirrors of organizations were not counted; the next discovery counts again", { error });
  }
}

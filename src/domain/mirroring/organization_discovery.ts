import { asAppError } from "../../drivers/database/postgres.ts";
import { insertMirror, requestMirrorSync } from "../../drivers/database/queries/mirror.ts";
import { holdOrganizationMirror } from "../../drivers/database/queries/organization_mirror.ts";
import {
  insertDiscovered,
  linkRepository,
  markUnmade,
  requestFollowed,
  resumeWanted,
  selectMissing,
  skipUnwanted,
} from "../../drivers/database/queries/organization_mirror_repository.ts";
import {
  applyPrototypes,
  insertRepository,
  REPOSITORY_STATE,
  updateRepositoryState,
} from "../../drivers/database/queries/repository.ts";
import type { HeldSync } from "../../drivers/database/queries/sync.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import type { UpstreamNamespace } from "../../drivers/upstream/driver.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { logAction } from "../logs/action_log.ts";
import type { LogKind } from "../logs/log_kinds.ts";
import { isRepositoryName } from "../names.ts";
import { letWrite } from "./administration.ts";
import { parseExternalReference } from "./external_reference.ts";
import { failureOf, isUnforeseen } from "./failure.ts";
import { compileGlob } from "./glob.ts";
import { type OrganizationMirror, referencePrefix, registryOf } from "./organization_mirrors.ts";
import { RunEnded } from "./run.ts";
import { NEW_MIRROR } from "./settings.ts";
import { openCredentials, SourceUnusable } from "./source.ts";

export type DiscoveryDeps = Pick<
  Deps,
  "sql" | "config" | "now" | "log" | "secrets" | "upstreamNamespace" | "metrics"
>;

/** A claim on the organization's mirror, and what ends it. */
export interface Held extends HeldSync {
  /** Aborted with a {@link RunEnded}. */
  readonly signal: AbortSignal;
}

/** How a discovery ended; `message` in words, for people. */
export type DiscoveryOutcome =
  | { readonly kind: "success"; readonly message: string }
  | { readonly kind: "failed"; readonly message: string }
  /** By a user. */
  | { readonly kind: "cancelled" }
  /** The claim was lost, or the service stops: somebody else begins anew. */
  | { readonly kind: "given_up" };

const MISSING_AT_ONCE = 500;
const ODD_SHOWN = 5;
const NOBODY: Actor = { kind: "operator" };

/**
 * One discovery of a claimed mirror, with its entries in the organization's action log. What the other registry lists is
 * read whole before anything is written: a discovery that fails has changed nothing. Never rejects but for what is a bug.
 */
export async function runDiscovery(
  deps: DiscoveryDeps,
  mirror: OrganizationMirror,
  held: Held,
): Promise<DiscoveryOutcome> {
  const where = `${referencePrefix(mirror)}*`;
  await write(deps, mirror, "org_mirror_sync_started", { verb: "start", message: where });
  const outcome = await discover(deps, mirror, held).catch((error) => outcomeOf(deps, mirror, held, error));
  if (outcome.kind === "success") {
    await write(deps, mirror, "org_mirror_sync_success", { verb: "end", message: outcome.message });
  } else if (outcome.kind === "failed") {
    const fields = { verb: "end", message: where, stderr: outcome.message };
    await write(deps, mirror, "org_mirror_sync_failed", fields);
  } else if (outcome.kind === "cancelled") {
    await write(deps, mirror, "org_mirror_sync_failed", { verb: "Cancelled", message: where });
  }
  return outcome;
}

async function discover(
  deps: DiscoveryDeps,
  mirror: OrganizationMirror,
  held: Held,
): Promise<DiscoveryOutcome> {
  const listed = await listAll(deps, mirror, held.signal);
  const found = listed.filter((name) => isUsable(deps, mirror, name));
  const odd = listed.filter((name) => !isUsable(deps, mirror, name));
  if (odd.length > 0) {
    const names = odd.slice(0, ODD_SHOWN).map((name) => name.slice(0, 100));
    deps.log.warn("an organization's mirror leaves out names that are none of repositories here", {
      organization: mirror.organization,
      count: odd.length,
      names,
    });
  }
  // Without rights a registry shows an empty list, and no failure.
  if (found.length === 0) {
    return { kind: "success", message: `nothing is listed, and nothing has changed${oddWords(odd)}` };
  }
  const globs = mirror.filters.map(compileGlob);
  const wanted = globs.length === 0 ? found : found.filter((name) => globs.some((fits) => fits(name)));
  const { added, skipped, resumed } = await record(deps, mirror, held, { found, wanted });
  const { made, failed } = await makeMissing(deps, mirror, held);
  const counts = [
    `${found.length} repositories listed`,
    ...(wanted.length < found.length ? [`${wanted.length} wanted`] : []),
    ...(added > 0 ? [`${added} new`] : []),
    ...(made > 0 ? [`${made} made`] : []),
    ...(failed > 0 ? [`${failed} could not be made`] : []),
    ...(skipped > 0 ? [`${skipped} left out from now on`] : []),
    ...(resumed > 0 ? [`${resumed} back again`] : []),
  ];
  return { kind: "success", message: `${counts.join(", ")}${oddWords(odd)}` };
}

/** @throws {SourceUnusable}, {UpstreamError}, {AppError} `upstream_failed` when it takes too long */
async function listAll(
  deps: DiscoveryDeps,
  mirror: OrganizationMirror,
  signal: AbortSignal,
): Promise<string[]> {
  const longestS = deps.config.ORG_MIRROR_MAX_DISCOVERY_DURATION;
  const limit = AbortSignal.timeout(longestS * 1000);
  const upstream = await openNamespace(deps, mirror);
  try {
    return (await upstream.listRepositories(AbortSignal.any([signal, limit]))).sort();
  } catch (error) {
    if (!limit.aborted || signal.aborted) throw error;
    const message = `${registryOf(mirror)} has not listed its repositories within ${longestS} s ` +
      "(ORG_MIRROR_MAX_DISCOVERY_DURATION)";
    throw new AppError("upstream_failed", message, {}, { cause: error });
  } finally {
    await upstream.close();
  }
}

/** The other registry's namespace, as the mirror's settings say. The caller closes it. @throws as {@link openCredentials} */
export async function openNamespace(
  { secrets, upstreamNamespace }: Pick<Deps, "secrets" | "upstreamNamespace">,
  mirror: OrganizationMirror,
): Promise<UpstreamNamespace> {
  const { source, product, namespace, timeoutS } = mirror;
  const credentials = openCredentials(secrets, source);
  return await upstreamNamespace({
    product,
    registry: registryOf(mirror),
    namespace,
    ...(credentials === undefined ? {} : { credentials }),
    verifyTls: source.verifyTls,
    proxy: source.proxy,
    timeoutMs: timeoutS * 1000,
  });
}

/** Whether the name can be asked for there and be a repository's here: no path tricks, nothing encoded. */
function isUsable(
  { config }: Pick<Deps, "config">,
  mirror: OrganizationMirror,
  name: string,
): boolean {
  if (!isRepositoryName(name, config.FEATURE_EXTENDED_REPOSITORY_NAMES)) return false;
  try {
    parseExternalReference(`${referencePrefix(mirror)}${name}`);
    return true;
  } catch (error) {
    if (error instanceof AppError) return false;
    throw error;
  }
}

/** Writes down what is new, what rests from now on, and what goes on. */
async function record(
  { sql, now }: DiscoveryDeps,
  mirror: OrganizationMirror,
  held: Held,
  lists: { found: readonly string[]; wanted: readonly string[] },
): Promise<{ added: number; skipped: number; resumed: number }> {
  const { id, enabled, repositoriesAsked } = mirror;
  return await sql.begin(async (tx) => {
    await requireClaim(tx, held);
    const added = await insertDiscovered(tx, id, lists.wanted, now());
    const skipped = await skipUnwanted(tx, id, lists);
    const resumed = await resumeWanted(tx, id, lists.wanted, { enabled, startMs: mirror.startMs ?? now() });
    if (repositoriesAsked) await requestFollowed(tx, id);
    return { added, skipped, resumed };
  });
}

/** Makes the repositories that are not there, one after another: each is whole, and waits for its first run. */
async function makeMissing(
  deps: DiscoveryDeps,
  mirror: OrganizationMirror,
  held: Held,
): Promise<{ made: number; failed: number }> {
  let made = 0;
  let failed = 0;
  for (let afterName = "";;) {
    const missing = await selectMissing(deps.sql, mirror.id, { afterName, limit: MISSING_AT_ONCE });
    for (const row of missing) {
      held.signal.throwIfAborted();
      if (await makeRepository(deps, mirror, held, row)) made++;
      else failed++;
      afterName = row.name;
    }
    if (missing.length < MISSING_AT_ONCE) return { made, failed };
  }
}

/** @returns false when the name belongs to another repository */
async function makeRepository(
  deps: DiscoveryDeps,
  mirror: OrganizationMirror,
  held: Held,
  { id: discoveredId, name }: { id: number; name: string },
): Promise<boolean> {
  const { organizationId: namespaceId, organization: namespace, robotId, visibility } = mirror;
  const reference = `${referencePrefix(mirror)}${name}`;
  const robot: Actor = { kind: "robot", id: robotId, username: mirror.robotName, ownerId: namespaceId };
  const made = await deps.sql.begin(async (tx) => {
    await requireClaim(tx, held);
    const log = (kind: LogKind, repositoryId: number | undefined, more: Record<string, string>) =>
      logAction({ ...deps, sql: tx }, robot, {
        kind,
        namespaceId,
        repositoryId,
        metadata: { namespace, repo: name, external_reference: reference, ...more },
      });
    const id = await insertRepository(tx, { namespaceId, name, visibility, description: "", kind: "image" });
    if (id === undefined) {
      const error = "there is another repository with that name, which the mirror does not touch";
      if (await markUnmade(tx, discoveredId, error)) {
        await log("org_mirror_repo_creation_failed", undefined, { error });
      }
      return false;
    }
    await updateRepositoryState(tx, id, REPOSITORY_STATE.ORG_MIRROR);
    await applyPrototypes(tx, id, namespaceId, null);
    await letWrite(tx, { id }, robotId);
    await insertMirror(tx, { ...NEW_MIRROR, ...settingsOf(deps, mirror), reference, repositoryId: id });
    // A mirror that is not enabled runs when it is asked for: so do its repositories.
    if (mirror.repositoriesAsked) await requestMirrorSync(tx, id);
    await linkRepository(tx, discoveredId, id);
    await log("org_mirror_repo_created", id, {});
    return true;
  });
  if (made) deps.metrics.orgMirrorReposCreated.labels().inc();
  return made;
}

/** What the mirror of a repository has from its organization's. */
function settingsOf({ now }: Pick<Deps, "now">, mirror: OrganizationMirror) {
  const { robotId, enabled, source, registryConfigJson, intervalS, timeoutS, architectures } = mirror;
  return {
    robotId,
    enabled,
    sealedUsername: source.sealedUsername,
    sealedPassword: source.sealedPassword,
    registryConfigJson,
    intervalS,
    timeoutS,
    startMs: mirror.startMs ?? now(),
    globsJson: JSON.stringify(["*"]),
    architecturesJson: JSON.stringify(architectures),
  };
}

/** @throws {RunEnded} when the mirror has been cancelled, changed or deleted meanwhile */
async function requireClaim(tx: Sql, held: Held): Promise<void> {
  held.signal.throwIfAborted();
  if (!await holdOrganizationMirror(tx, held)) throw new RunEnded("given_up");
}

function outcomeOf(
  { log }: Pick<Deps, "log">,
  { organization }: OrganizationMirror,
  { signal }: Held,
  error: unknown,
): DiscoveryOutcome {
  if (signal.aborted && signal.reason instanceof RunEnded) return { kind: signal.reason.kind };
  if (error instanceof RunEnded) return { kind: error.kind };
  if (error instanceof SourceUnusable) return { kind: "failed", message: error.message };
  if (isUnforeseen(error)) log.error("a discovery failed unexpectedly", { organization, error });
  return { kind: "failed", message: failureOf(asAppError(error)).message };
}

function oddWords(odd: readonly string[]): string {
  return odd.length === 0 ? "" : `; ${odd.length} names can be no repository's here and are left out`;
}

async function write(
  deps: DiscoveryDeps,
  { organizationId: namespaceId, organization: namespace }: OrganizationMirror,
  kind: LogKind,
  fields: Record<string, string>,
): Promise<void> {
  try {
    await logAction(deps, NOBODY, { kind, namespaceId, metadata: { namespace, ...fields } });
  } catch (error) {
    // A discovery does not fail by its log; the service's own log has it then.
    deps.log.error("an entry of an organization's mirror was not written", { namespace, kind, error });
  }
}

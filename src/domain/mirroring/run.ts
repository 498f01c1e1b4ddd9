import type { Upstream } from "../../drivers/upstream/driver.ts";
import { selectReferrersChecked, updateReferrersChecked } from "../../drivers/database/queries/mirror.ts";
import type { Digest } from "../../oci/digest.ts";
import type { Deps } from "../deps.ts";
import { type CopiedImage, type CopyContext, type CopyDeps, copyImage } from "./copy.ts";
import { failureOf, isUnforeseen } from "./failure.ts";
import { MirrorPaused, type RunLimits } from "./limits.ts";
import { logRunEnd, logRunStart, logTag } from "./log.ts";
import { isOfOrganization, type Mirror, type RunOutcome, type TagFailure } from "./model.ts";
import { companionsOf, readStanding, selectChanged, selectLocalDigests, type Standing } from "./plan.ts";
import type { ReportProgress } from "./progress.ts";
import { wantsReferrer } from "./rules.ts";
import { openSource, SourceUnusable } from "./source.ts";
import { switchTags } from "./tag_switch.ts";
import { forEachLimited } from "../../lib/for_each_limited.ts";

export type RunDeps = CopyDeps & Pick<Deps, "secrets" | "upstream">;

export interface RunHooks {
  readonly limits: RunLimits;
  readonly report: ReportProgress;
  /** Aborted with a {@link RunEnded} when the run is to stop. */
  readonly signal: AbortSignal;
}

/** Why a run is stopped from outside. */
export class RunEnded extends Error {
  constructor(readonly kind: "cancelled" | "given_up") {
    super(`the run was ${kind}`);
  }
}

/** Images copied at once: while one waits for its last layer, the next has its manifests read. */
const IMAGES_AT_ONCE = 3;
/** Signatures may be added to an image that does not change: its referrers are asked for again after this. */
const REFERRERS_AGAIN_MS = 3600_000;

/**
 * One run of a claimed mirror, with its entries in the action log. Whatever happens, what has come stays, nothing is
 * removed because the other side failed, and readers see whole images only. Never rejects but for what is a bug.
 */
export async function runMirror(deps: RunDeps, mirror: Mirror, hooks: RunHooks): Promise<RunOutcome> {
  try {
    await hooks.limits.mayGoOn(hooks.signal);
  } catch (error) {
    // It has not begun.
    if (error instanceof MirrorPaused) return outcomeOf(deps, mirror, hooks, error, []);
    if (!hooks.signal.aborted) throw error;
  }
  await logRunStart(deps, mirror);
  const outcome = await run(deps, mirror, hooks);
  await logRunEnd(deps, mirror, outcome);
  return outcome;
}

async function run(deps: RunDeps, mirror: Mirror, hooks: RunHooks): Promise<RunOutcome> {
  let upstream: Upstream | undefined;
  try {
    hooks.signal.throwIfAborted();
    hooks.report({ kind: "phase", phase: "listing" });
    upstream = await openSource(deps, mirror);
    return await new MirrorRun(deps, mirror, hooks, upstream).run();
  } catch (error) {
    return outcomeOf(deps, mirror, hooks, error, []);
  } finally {
    await upstream?.close();
  }
}

class MirrorRun {
  readonly #failed: TagFailure[] = [];
  /** With rollback: what is pointed at, in the end. */
  readonly #staged: CopiedImage[] = [];
  readonly #copiedDigests = new Set<Digest>();
  readonly #context: Omit<CopyContext, "listed">;
  #changedSomething = false;

  constructor(
    readonly deps: RunDeps,
    readonly mirror: Mirror,
    readonly hooks: RunHooks,
    readonly upstream: Upstream,
  ) {
    this.#context = {
      mirror,
      upstream,
      referrersApi: { supported: undefined },
      limits: hooks.limits,
      report: hooks.report,
      signal: hooks.signal,
    };
  }

  async run(): Promise<RunOutcome> {
    const { deps, mirror, hooks, upstream } = this;
    const { repositoryId } = mirror;
    const listed = await upstream.listTags(hooks.signal);
    const standing = await readStanding(deps, mirror, listed);
    const { matched } = standing;
    // Quay keeps what is there when nothing matches: an empty list is more often a mistake than a wish.
    if (matched.length === 0) return { kind: "success", tags: [] };
    hooks.report({ kind: "planned", tags: matched.length });

    const changed = await this.#selectChanged(standing);
    for (const tag of matched) if (!changed.has(tag)) hooks.report({ kind: "tag_done", tag });
    const fatal = await this.#copyAll(standing, matched.filter((tag) => changed.has(tag)));
    if (fatal !== undefined) return fatal;
    const companions = await this.#copyCompanions(standing, changed);

    const rollback = deps.config.REPO_MIRROR_ROLLBACK;
    if (!rollback || this.#failed.length === 0) {
      hooks.report({ kind: "phase", phase: "removing" });
      const remove = await this.#selectRemovals(standing, companions);
      if (remove.length > 0 || this.#changedSomething) {
        await switchTags(deps, repositoryId, {
          point: this.#staged.flatMap(({ point }) => point),
          staged: this.#staged.flatMap(({ staged }) => staged),
          remove,
          endReferrers: true,
        });
      }
    }
    if (this.#failed.length > 0) return this.#failure(matched);
    return { kind: "success", tags: matched };
  }

  async #selectChanged(standing: Standing): Promise<Set<string>> {
    const { deps, mirror, upstream, hooks: { signal } } = this;
    const changed = await selectChanged(deps, mirror, standing, {
      upstream,
      signal,
      names: standing.matched,
    });
    const nowMs = deps.now();
    const checkedMs = await selectReferrersChecked(deps.sql, mirror.repositoryId);
    if (mirror.rules.referrers === "none" || nowMs - checkedMs < REFERRERS_AGAIN_MS) return changed;
    // Everything under an unchanged tag is here: following it again costs one request an image and finds what is new.
    const unchanged = standing.matched.filter((tag) => !changed.has(tag));
    const digests = await selectLocalDigests(deps, standing, unchanged);
    await this.#refreshReferrers(standing, unchanged, digests, changed);
    await updateReferrersChecked(deps.sql, mirror.repositoryId, nowMs);
    return changed;
  }

  /** Adds the tags whose images have referrers that are not here. */
  async #refreshReferrers(
    { local }: Standing,
    unchanged: readonly string[],
    here: ReadonlySet<Digest>,
    changed: Set<string>,
  ): Promise<void> {
    const { upstream, mirror: { rules }, hooks: { signal } } = this;
    const { referrersApi } = this.#context;
    await forEachLimited(unchanged, IMAGES_AT_ONCE * 2, async (tag) => {
      if (referrersApi.supported === false) return;
      const digest = local.get(tag)?.digest as Digest;
      const referrers = await upstream.listReferrers(digest, signal);
      referrersApi.supported = referrers !== undefined;
      if (referrers?.some((one) => wantsReferrer(rules, one) && !here.has(one.digest))) changed.add(tag);
    });
  }

  /** @returns an outcome when the run cannot go on */
  async #copyAll({ listed }: Standing, tags: readonly string[]): Promise<RunOutcome | undefined> {
    let stopped: { readonly error: unknown } | undefined;
    await forEachLimited(tags, IMAGES_AT_ONCE, async (tag) => {
      if (stopped === undefined) stopped = await this.#copyOne(listed, tag);
      else this.#fail(tag, stopped.error);
    });
    if (stopped === undefined) return undefined;
    const { deps, mirror, hooks } = this;
    return outcomeOf(deps, mirror, hooks, stopped.error, tags, this.#failed);
  }

  /** @returns a failure that concerns all others, too */
  async #copyOne(listed: ReadonlySet<string>, tag: string): Promise<{ error: unknown } | undefined> {
    const { deps, mirror, hooks } = this;
    hooks.report({ kind: "tag_started", tag });
    try {
      await hooks.limits.mayGoOn(hooks.signal);
      const image = await copyImage(deps, { ...this.#context, listed }, tag);
      if (image !== undefined) await this.#take(image);
      hooks.report({ kind: "tag_done", tag });
      await logTag(deps, mirror, tag, undefined);
    } catch (error) {
      if (hooks.signal.aborted || error instanceof MirrorPaused) return { error };
      this.#fail(tag, error);
      await logTag(deps, mirror, tag, failureOf(error).message);
      if (failureOf(error).concernsAll) return { error };
    }
    return undefined;
  }

  async #take(image: CopiedImage): Promise<void> {
    this.#changedSomething = true;
    for (const digest of image.staged) this.#copiedDigests.add(digest);
    if (this.deps.config.REPO_MIRROR_ROLLBACK) {
      this.#staged.push(image);
      return;
    }
    await switchTags(this.deps, this.mirror.repositoryId, { ...image, remove: [], endReferrers: false });
  }

  #fail(tag: string, error: unknown): void {
    const { reason, message } = failureOf(error);
    if (isUnforeseen(error)) {
      this.deps.log.error("mirroring a tag failed unexpectedly", {
        repository: fullName(this.mirror),
        tag,
        error,
      });
    }
    this.#failed.push({ tag, reason, message });
    this.hooks.report({ kind: "tag_failed", tag, message });
  }

  /**
   * Signatures, under tags of their own, of images that have not changed: each costs one conditional request.
   * @returns the names of all that belong to wanted tags
   */
  async #copyCompanions(standing: Standing, changed: ReadonlySet<string>): Promise<Set<string>> {
    const { deps, mirror, upstream, hooks: { signal } } = this;
    const { listed, matched } = standing;
    const unchanged = matched.filter((tag) => !changed.has(tag));
    const digests = await selectLocalDigests(deps, standing, unchanged);
    const names = companionsOf(digests, listed, mirror.rules);
    const stale = await selectChanged(deps, mirror, standing, { upstream, signal, names });
    for (const name of names) if (stale.has(name)) await this.#copyOne(listed, name);

    // Of a tag that could not be copied, what belongs to the image that is still here stays.
    const failedTags = this.#failed.map(({ tag }) => tag);
    const kept = await selectLocalDigests(deps, standing, failedTags);
    const keptNames = companionsOf(kept, new Set(standing.local.keys()), mirror.rules);
    return new Set([...names, ...keptNames, ...companionsOf(this.#copiedDigests, listed, mirror.rules)]);
  }

  /** Tags that are here and that neither the rules nor a signed image want. */
  async #selectRemovals({ matched }: Standing, companions: ReadonlySet<string>): Promise<string[]> {
    if (isOfOrganization(this.mirror)) return [];
    const wanted = new Set([...matched, ...companions]);
    const { local } = await readStanding(this.deps, this.mirror, []);
    return [...local.keys()].filter((name) => !wanted.has(name)).sort();
  }

  #failure(tags: readonly string[]): RunOutcome {
    const [first] = this.#failed as [TagFailure, ...TagFailure[]];
    return { kind: "failed", reason: first.reason, message: first.message, tags, failed: this.#failed };
  }
}

function outcomeOf(
  deps: Pick<Deps, "log">,
  mirror: Mirror,
  { signal, report }: RunHooks,
  error: unknown,
  tags: readonly string[],
  failed: readonly TagFailure[] = [],
): RunOutcome {
  if (signal.aborted) {
    return signal.reason instanceof RunEnded ? { kind: signal.reason.kind } : { kind: "given_up" };
  }
  if (error instanceof MirrorPaused) {
    report({ kind: "paused", untilMs: error.untilMs, why: error.why });
    return { kind: "paused", untilMs: error.untilMs, message: error.why };
  }
  if (error instanceof SourceUnusable) {
    report({ kind: "error", message: error.message });
    return { kind: "failed", reason: error.reason, message: error.message, tags, failed };
  }
  const { reason, message } = failureOf(error);
  if (isUnforeseen(error)) {
    deps.log.error("mirroring failed unexpectedly", { repository: fullName(mirror), error });
  }
  report({ kind: "error", message });
  return { kind: "failed", reason, message, tags, failed };
}

function fullName({ namespace, name }: Mirror): string {
  return `${namespace}/${name}`;
}

/** Which tags become immutable by themselves when they are pushed or made (Quay 3.17). Those that are there stay as they are. */
import {
  deleteImmutabilityPolicy,
  insertImmutabilityPolicy,
  lockImmutabilityPolicies,
  type PolicyOwner,
  type PolicyRow,
  selectImmutabilityPolicies,
  selectPoliciesFor,
  updateImmutabilityPolicy,
} from "../../drivers/database/queries/immutability_policy.ts";
import { isMirroredNamespace } from "../../drivers/database/queries/organization_mirror.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import type { LogKind } from "../logs/log_kinds.ts";

/** Owner of policies, with what the action log calls it. The caller has checked that it may be administered. */
export type NamedPolicyOwner = PolicyOwner & { readonly namespace: string; readonly repository?: string };

export interface ImmutabilityPolicy {
  /** A regular expression (RE2), found anywhere in the tag unless it says `^` and `$`. */
  readonly tagPattern: string;
  /** False: the tags that the pattern does not fit. */
  readonly tagPatternMatches: boolean;
}

export interface StoredPolicy extends ImmutabilityPolicy {
  readonly uuid: string;
}

const PATTERN_MAX = 256;
/** Per namespace or repository: each push looks at all of them. */
const POLICIES_MAX = 50;

type ChangeDeps = Pick<Deps, "sql" | "config" | "now">;

/** @throws {AppError} `feature_disabled` without `FEATURE_IMMUTABLE_TAGS` */
export function requireImmutableTags({ config }: Pick<Deps, "config">): void {
  if (!config.FEATURE_IMMUTABLE_TAGS) throw new AppError("feature_disabled", "Not Found");
}

export async function listImmutabilityPolicies(
  { sql }: Pick<Deps, "sql">,
  owner: PolicyOwner,
): Promise<StoredPolicy[]> {
  return (await selectImmutabilityPolicies(sql, owner)).map(stored);
}

/** @throws {AppError} `not_found` */
export async function findImmutabilityPolicy(
  { sql }: Pick<Deps, "sql">,
  owner: PolicyOwner,
  uuid: string,
): Promise<StoredPolicy> {
  return stored(await requirePolicy(sql, owner, uuid));
}

/** @throws {AppError} `invalid_request`: a pattern that is none, the same policy again, too many of them */
export async function createImmutabilityPolicy(
  deps: ChangeDeps,
  actor: Actor,
  owner: NamedPolicyOwner,
  policy: ImmutabilityPolicy,
): Promise<string> {
  await compile(policy.tagPattern);
  return await deps.sql.begin(async (tx) => {
    await lockImmutabilityPolicies(tx, owner);
    const existing = await selectImmutabilityPolicies(tx, owner);
    refuseTwin(existing, policy);
    if (existing.length >= POLICIES_MAX) {
      throw new AppError("invalid_request", `There can be at most ${POLICIES_MAX} immutability policies`);
    }
    const uuid = await insertImmutabilityPolicy(tx, owner, serialized(policy));
    // Asked last: a mirror that is being set up is waited for by the row before.
    if (deps.config.FEATURE_ORG_MIRROR && owner.repositoryId === undefined) {
      if (await isMirroredNamespace(tx, owner.namespaceId)) {
        throw new AppError(
          "invalid_request",
          `The organization ${owner.namespace} follows another registry, whose tags may move: it can have no such policies`,
        );
      }
    }
    await log({ ...deps, sql: tx }, actor, owner, "create_immutability_policy", { uuid, ...policy });
    return uuid;
  });
}

/** @throws {AppError} `not_found`; `invalid_request` as {@link createImmutabilityPolicy} */
export async function changeImmutabilityPolicy(
  deps: ChangeDeps,
  actor: Actor,
  owner: NamedPolicyOwner,
  uuid: string,
  policy: ImmutabilityPolicy,
): Promise<void> {
  await compile(policy.tagPattern);
  await deps.sql.begin(async (tx) => {
    await lockImmutabilityPolicies(tx, owner);
    const row = await requirePolicy(tx, owner, uuid);
    refuseTwin((await selectImmutabilityPolicies(tx, owner)).filter(({ id }) => id !== row.id), policy);
    await updateImmutabilityPolicy(tx, owner, row.id, serialized(policy));
    await log({ ...deps, sql: tx }, actor, owner, "update_immutability_policy", { uuid, ...policy });
  });
}

/** What it has made immutable stays so. @throws {AppError} `not_found` */
export async function removeImmutabilityPolicy(
  deps: ChangeDeps,
  actor: Actor,
  owner: NamedPolicyOwner,
  uuid: string,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    await lockImmutabilityPolicies(tx, owner);
    const row = await requirePolicy(tx, owner, uuid);
    await deleteImmutabilityPolicy(tx, owner, row.id);
    await log({ ...deps, sql: tx }, actor, owner, "delete_immutability_policy", stored(row));
  });
}

/** Says of a tag's name whether a policy makes it immutable. */
export type ImmutabilityRule = (tag: string) => boolean;

/** What holds for new tags of the repository; one indexed statement, none without `FEATURE_IMMUTABLE_TAGS`. */
export async function findImmutabilityRule(
  { sql, config, log }: Pick<Deps, "config" | "log"> & { readonly sql: Sql },
  repositoryId: number,
): Promise<ImmutabilityRule> {
  if (!config.FEATURE_IMMUTABLE_TAGS) return () => false;
  const policies = (await selectPoliciesFor(sql, repositoryId)).map(parsed);
  const rules: ImmutabilityRule[] = [];
  for (const { tagPattern, tagPatternMatches } of policies) {
    try {
      const fits = await compile(tagPattern);
      rules.push((tag) => fits(tag) === tagPatternMatches);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      log.warn("an immutability policy is left out: its pattern is none", { repositoryId, error });
    }
  }
  return (tag) => rules.some((rule) => rule(tag));
}

/** @throws {AppError} `invalid_request` */
async function compile(pattern: string): Promise<(tag: string) => boolean> {
  if (pattern === "" || pattern.length > PATTERN_MAX) {
    throw new AppError("invalid_request", `tagPattern must be a text of 1 to ${PATTERN_MAX} characters`);
  }
  // Sites without policies do not carry the engine in their memory.
  const { RE2JS } = await import("re2js");
  try {
    const compiled = RE2JS.compile(pattern);
    return (tag) => compiled.matcher(tag).find();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "it cannot be read";
    throw new AppError("invalid_request", `tagPattern is no regular expression: ${why}`, {}, { cause });
  }
}

function refuseTwin(existing: readonly PolicyRow[], policy: ImmutabilityPolicy): void {
  if (existing.some((row) => serialized(parsed(row.policy)) === serialized(policy))) {
    throw new AppError("invalid_request", "There is an immutability policy like that already");
  }
}

async function requirePolicy(sql: Sql, owner: PolicyOwner, uuid: string): Promise<PolicyRow> {
  const row = (await selectImmutabilityPolicies(sql, owner)).find((policy) => policy.uuid === uuid);
  if (row === undefined) throw new AppError("not_found", "Immutability policy not found");
  return row;
}

function serialized({ tagPattern, tagPatternMatches }: ImmutabilityPolicy): string {
  return JSON.stringify({ tag_pattern: tagPattern, tag_pattern_matches: tagPatternMatches });
}

function parsed(json: string): ImmutabilityPolicy {
  const { tag_pattern, tag_pattern_matches } = JSON.parse(json);
  return { tagPattern: String(tag_pattern), tagPatternMatches: tag_pattern_matches !== false };
}

function stored({ uuid, policy }: PolicyRow): StoredPolicy {
  return { uuid, ...parsed(policy) };
}

async function log(
  deps: { readonly sql: Sql } & Pick<Deps, "now">,
  actor: Actor,
  owner: NamedPolicyOwner,
  kind: LogKind,
  { uuid, tagPattern, tagPatternMatches }: StoredPolicy,
): Promise<void> {
  await logAction(deps, actor, {
    kind,
    namespaceId: owner.namespaceId,
    repositoryId: owner.repositoryId,
    metadata: {
      policy_uuid: uuid,
      tag_pattern: tagPattern,
      tag_pattern_matches: tagPatternMatches,
      namespace: owner.namespace,
      ...(owner.repository === undefined ? {} : { repo: owner.repository }),
    },
  });
}

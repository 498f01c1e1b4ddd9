/** Which tags become immutable by themselves (Quay 3.17): those that are there, and those that are pushed or made later. */
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
import { applyAtOnce, type NamedPolicyOwner, queueApplication } from "./immutability_application.ts";
import { compilePolicy, type ImmutabilityPolicy, readPolicy, writePolicy } from "./immutability_rules.ts";

export interface StoredPolicy extends ImmutabilityPolicy {
  readonly uuid: string;
}

/** Per namespace or repository: each push looks at all of them. */
const POLICIES_MAX = 50;

type ChangeDeps = Pick<Deps, "sql" | "config" | "changes" | "log" | "now">;

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
  await compilePolicy(policy);
  const { uuid, itemId } = await deps.sql.begin(async (tx) => {
    await lockImmutabilityPolicies(tx, owner);
    const existing = await selectImmutabilityPolicies(tx, owner);
    refuseTwin(existing, policy);
    if (existing.length >= POLICIES_MAX) {
      throw new AppError("invalid_request", `There can be at most ${POLICIES_MAX} immutability policies`);
    }
    const uuid = await insertImmutabilityPolicy(tx, owner, writePolicy(policy));
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
    return { uuid, itemId: await queueApplication({ ...deps, sql: tx }, { owner, uuid }) };
  });
  await applyAtOnce(deps, actor, { owner, uuid }, itemId);
  return uuid;
}

/**
 * Tags that the changed policy fits become immutable; what it has made immutable stays so.
 * @throws {AppError} `not_found`; `invalid_request` as {@link createImmutabilityPolicy}
 */
export async function changeImmutabilityPolicy(
  deps: ChangeDeps,
  actor: Actor,
  owner: NamedPolicyOwner,
  uuid: string,
  policy: ImmutabilityPolicy,
): Promise<void> {
  await compilePolicy(policy);
  const itemId = await deps.sql.begin(async (tx) => {
    await lockImmutabilityPolicies(tx, owner);
    const row = await requirePolicy(tx, owner, uuid);
    refuseTwin((await selectImmutabilityPolicies(tx, owner)).filter(({ id }) => id !== row.id), policy);
    await updateImmutabilityPolicy(tx, owner, row.id, writePolicy(policy));
    await log({ ...deps, sql: tx }, actor, owner, "update_immutability_policy", { uuid, ...policy });
    return await queueApplication({ ...deps, sql: tx }, { owner, uuid });
  });
  await applyAtOnce(deps, actor, { owner, uuid }, itemId);
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
  const rules: ImmutabilityRule[] = [];
  for (const policy of await selectPoliciesFor(sql, repositoryId)) {
    try {
      rules.push(await compilePolicy(readPolicy(policy)));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      log.warn("an immutability policy is left out: its pattern is none", { repositoryId, error });
    }
  }
  return (tag) => rules.some((rule) => rule(tag));
}

function refuseTwin(existing: readonly PolicyRow[], policy: ImmutabilityPolicy): void {
  // Both ways of one pattern would make everything immutable.
  if (existing.some((row) => readPolicy(row.policy).tagPattern === policy.tagPattern)) {
    throw new AppError("invalid_request", "A policy with the same tag_pattern already exists");
  }
}

async function requirePolicy(sql: Sql, owner: PolicyOwner, uuid: string): Promise<PolicyRow> {
  const row = (await selectImmutabilityPolicies(sql, owner)).find((policy) => policy.uuid === uuid);
  if (row === undefined) throw new AppError("not_found", "Immutability policy not found");
  return row;
}

function stored({ uuid, policy }: PolicyRow): StoredPolicy {
  return { uuid, ...readPolicy(policy) };
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

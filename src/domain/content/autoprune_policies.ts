/** The rules by which old tags are to be deleted: kept for namespaces and for repositories. */
import { insertAutopruneTask } from "../../drivers/database/queries/autoprune.ts";
import {
  deletePolicy,
  insertPolicy,
  lockPolicies,
  type PolicyOwner,
  type PolicyRow,
  selectPolicies,
  selectPolicy,
  updatePolicy,
} from "../../drivers/database/queries/autoprune_policy.ts";
import { selectNamespace, type UserRow } from "../../drivers/database/queries/user.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import { type Actor, isGlobalReadonlySuperuser } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import type { LogKind } from "../logs/log_kinds.ts";
import { openGovernedNamespace } from "../organizations/organizations.ts";
import { openRepository, type RepositoryRef } from "../repositories/repositories.ts";
import { refusal, requirePerson } from "../access/rights.ts";

type PolicyDeps = Pick<Deps, "sql" | "config">;
type ChangeDeps = PolicyDeps & Pick<Deps, "now">;

/** A list of more would not be looked through by anybody. */
export const MOST_POLICIES = 100;
const LONGEST_PATTERN = 256;
const AGE = /^[1-9][0-9]{0,8}[smhdwy]$/;

/** What tags a rule deletes. */
export interface Policy {
  readonly method: "number_of_tags" | "creation_date";
  /** How many tags stay, or how old they may become, as `5d`. */
  readonly value: number | string;
  /** A regular expression; null: all tags. */
  readonly tagPattern: string | null;
  /** Whether tags that match are meant, or those that do not. */
  readonly tagPatternMatches: boolean;
}

export type StoredPolicy = Policy & { readonly uuid: string };

/** Where policies are kept, opened for whoever asks, and what the log says of it. */
export interface PolicyPlace {
  readonly owner: PolicyOwner;
  readonly names: Readonly<Record<string, string>>;
}

/** @throws {AppError} `feature_disabled` */
export function requireAutoPrune({ config }: Pick<Deps, "config">): void {
  if (!config.FEATURE_AUTO_PRUNE) throw new AppError("feature_disabled", "Not Found");
}

/** @param how `read` is also for global read-only superusers @throws {AppError} */
export async function openOrganizationPolicies(
  deps: PolicyDeps,
  actor: Actor,
  name: string,
  how: "read" | "change",
): Promise<PolicyPlace> {
  return placeOf(await openGovernedNamespace(deps, actor, name, how));
}

/** Those of the caller's own namespace. @throws {AppError} `unauthenticated`, `insufficient_scope` */
export async function openOwnPolicies(deps: PolicyDeps, actor: Actor): Promise<PolicyPlace> {
  const account = await selectNamespace(deps.sql, requirePerson(actor, "user:admin").username);
  if (account === undefined) throw refusal(actor);
  return placeOf(account);
}

/** @param how `read` is also for global read-only superusers @throws {AppError} */
export async function openRepositoryPolicies(
  deps: PolicyDeps,
  actor: Actor,
  path: { namespace: string; name: string },
  how: "read" | "change",
): Promise<PolicyPlace> {
  const need = how === "read" && isGlobalReadonlySuperuser(deps.config, actor) ? "read" : "admin";
  const { id: repositoryId, namespaceId, namespace, name }: RepositoryRef = await openRepository(
    deps,
    actor,
    path,
    need,
  );
  return { owner: { kind: "repository", repositoryId, namespaceId }, names: { namespace, repo: name } };
}

function placeOf({ id, username }: UserRow): PolicyPlace {
  return { owner: { kind: "namespace", namespaceId: id }, names: { namespace: username } };
}

export async function listPolicies(
  { sql }: Pick<Deps, "sql">,
  { owner }: PolicyPlace,
): Promise<StoredPolicy[]> {
  return (await selectPolicies(sql, owner, MOST_POLICIES)).map(readPolicy);
}

/** @throws {AppError} `not_found` */
export async function getPolicy(
  { sql }: { readonly sql: Sql },
  { owner }: PolicyPlace,
  uuid: string,
): Promise<StoredPolicy> {
  const row = await selectPolicy(sql, owner, uuid);
  if (row === undefined) throw new AppError("not_found", "Not Found");
  return readPolicy(row);
}

/** @param place opened for change @returns its uuid @throws {AppError} `invalid_request`: no rule, or one that is there */
export async function createPolicy(
  deps: ChangeDeps,
  actor: Actor,
  place: PolicyPlace,
  policy: Policy,
): Promise<string> {
  await checkPolicy(policy);
  return await deps.sql.begin(async (tx) => {
    const known = await lockAndList(tx, place);
    if (known.length >= MOST_POLICIES) {
      throw new AppError("invalid_request", `There are ${MOST_POLICIES} policies already`);
    }
    refuseEqual(known, policy);
    const uuid = await insertPolicy(tx, place.owner, writePolicy(policy));
    await insertAutopruneTask(tx, place.owner.namespaceId);
    await log({ ...deps, sql: tx }, actor, place, "create", { ...policy, uuid });
    return uuid;
  });
}

/** @param place opened for change @throws {AppError} `not_found`, and as {@link createPolicy} */
export async function changePolicy(
  deps: ChangeDeps,
  actor: Actor,
  place: PolicyPlace,
  uuid: string,
  policy: Policy,
): Promise<void> {
  await checkPolicy(policy);
  await deps.sql.begin(async (tx) => {
    const known = await lockAndList(tx, place);
    await getPolicy({ sql: tx }, place, uuid);
    refuseEqual(known.filter((other) => other.uuid !== uuid), policy);
    await updatePolicy(tx, place.owner, uuid, writePolicy(policy));
    await log({ ...deps, sql: tx }, actor, place, "update", { ...policy, uuid });
  });
}

/** @param place opened for change @throws {AppError} `not_found` */
export async function removePolicy(
  deps: ChangeDeps,
  actor: Actor,
  place: PolicyPlace,
  uuid: string,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    await lockPolicies(tx, place.owner);
    const policy = await getPolicy({ sql: tx }, place, uuid);
    await deletePolicy(tx, place.owner, uuid);
    await log({ ...deps, sql: tx }, actor, place, "delete", policy);
  });
}

async function lockAndList(tx: Sql, { owner }: PolicyPlace): Promise<StoredPolicy[]> {
  await lockPolicies(tx, owner);
  return (await selectPolicies(tx, owner, MOST_POLICIES)).map(readPolicy);
}

/** @throws {AppError} `invalid_request` */
async function checkPolicy({ method, value, tagPattern }: Policy): Promise<void> {
  if (method === "number_of_tags" && !(Number.isSafeInteger(value) && Number(value) > 0)) {
    throw new AppError(
      "invalid_request",
      "Invalid value given for method type: a whole number above 0 is needed",
    );
  }
  if (method === "creation_date" && !(typeof value === "string" && AGE.test(value))) {
    throw new AppError(
      "invalid_request",
      "Invalid value given for method type: a whole number and one of s, m, h, d, w, y is needed, such as 5d",
    );
  }
  if (tagPattern === null) return;
  if (tagPattern.length > LONGEST_PATTERN) {
    throw new AppError("invalid_request", `tagPattern must be at most ${LONGEST_PATTERN} characters`);
  }
  // Its thousands of lines are needed by few.
  const { RE2JS } = await import("re2js");
  try {
    RE2JS.compile(tagPattern);
  } catch (cause) {
    throw new AppError("invalid_request", "tagPattern is no regular expression", {}, { cause });
  }
}

function refuseEqual(known: readonly StoredPolicy[], policy: Policy): void {
  const text = writePolicy(policy);
  if (known.some((other) => writePolicy(other) === text)) {
    throw new AppError("invalid_request", "Policy already exists with the same values");
  }
}

/** As Quay writes it: what does not matter is left out. */
function writePolicy({ method, value, tagPattern, tagPatternMatches }: Policy): string {
  return JSON.stringify({
    method,
    value,
    ...(tagPattern === null ? {} : { tag_pattern: tagPattern, tag_pattern_matches: tagPatternMatches }),
  });
}

/** As Quay has written it. @throws {SyntaxError} */
export function readPolicy({ uuid, policy }: PolicyRow): StoredPolicy {
  const { method, value, tag_pattern, tag_pattern_matches } = JSON.parse(policy);
  return {
    uuid,
    method,
    value,
    tagPattern: tag_pattern ?? null,
    tagPatternMatches: tag_pattern_matches ?? true,
  };
}

async function log(
  deps: { readonly sql: Sql } & Pick<Deps, "config" | "now">,
  actor: Actor,
  { owner, names }: PolicyPlace,
  verb: "create" | "update" | "delete",
  policy: StoredPolicy,
): Promise<void> {
  const kind: LogKind = `${verb}_${owner.kind}_autoprune_policy`;
  await logAction(deps, actor, {
    kind,
    namespaceId: owner.namespaceId,
    repositoryId: owner.kind === "repository" ? owner.repositoryId : undefined,
    metadata: {
      ...names,
      policy_uuid: policy.uuid,
      method: policy.method,
      value: policy.value,
      tag_pattern: policy.tagPattern,
      tag_pattern_matches: policy.tagPatternMatches,
    },
  });
}

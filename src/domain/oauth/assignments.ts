/** Tokens that an administrator lets others fetch for themselves (`FEATURE_ASSIGN_OAUTH_TOKEN`; Quay: auth.md §9). */
import {
  deleteOauthAssignment,
  insertOauthAssignment,
  type OauthAssignmentRow,
  selectOauthAssignment,
  selectOauthAssignments,
} from "../../drivers/database/queries/oauth_assignment.ts";
import {
  deleteUserNotifications,
  insertUserNotifications,
} from "../../drivers/database/queries/user_notification.ts";
import { selectNamespace } from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor, Scope } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { applicationMetadata, findApplication } from "./applications.ts";
import { isRedirectAllowed } from "./redirects.ts";
import { coversScopes, formatScopes, parseRequestedScopes, parseScopes } from "./scopes.ts";
import { canAdministerNamespace, type Person, refusal, requirePerson } from "../access/rights.ts";

export type { OauthAssignmentRow };

const LARGEST_ID = 2 ** 31 - 1;

type AssignmentDeps = Pick<Deps, "sql" | "config" | "now">;

/**
 * Lets `username` fetch a token of the application, and tells them.
 * @param actor administrator of the application's organization
 * @throws {AppError} `feature_disabled`, `not_found` (client, scope or user), `insufficient_scope`, `invalid_request`
 */
export async function assignToken(
  deps: AssignmentDeps,
  actor: Actor,
  wanted: { clientId: string; redirectUri: string; scope: string; responseType: string; username: string },
): Promise<void> {
  const { config, sql } = deps;
  if (!config.FEATURE_ASSIGN_OAUTH_TOKEN) throw new AppError("feature_disabled", "Not Found");
  const application = await findApplication(deps, wanted.clientId);
  const { ownerId: id, ownerName, ownerIsOrganization: organization } = application;
  if (!await canAdministerNamespace(deps, actor, { id, username: ownerName, organization })) {
    throw refusal(actor);
  }
  const scopes = parseRequestedScopes(config, wanted.scope.slice(0, 2048));
  if (scopes.size === 0) throw new AppError("not_found", "The scopes are unknown");
  if (wanted.responseType !== "token") {
    throw new AppError("invalid_request", "Only the response type token can be assigned");
  }
  if (!isRedirectAllowed(config, application, wanted.redirectUri)) {
    throw new AppError("invalid_request", "The redirect address is not one of the application's");
  }
  const user = await selectNamespace(sql, wanted.username);
  if (user === undefined || user.organization || !user.enabled) {
    throw new AppError("not_found", "User not found");
  }
  await sql.begin(async (tx) => {
    await insertOauthAssignment(tx, {
      userId: user.id,
      applicationId: application.id,
      redirectUri: wanted.redirectUri,
      scope: formatScopes(scopes),
      responseType: wanted.responseType,
    });
    await insertUserNotifications(tx, {
      kind: "assigned_authorization",
      targetIds: [user.id],
      metadata: { username: user.username },
      nowMs: deps.now(),
    });
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "oauth_token_assigned",
      namespaceId: application.ownerId,
      metadata: {
        ...applicationMetadata(application),
        assigned_user: user.username,
        scope: formatScopes(scopes),
      },
    });
  });
}

/**
 * What the person has been assigned, newest first. Their notifications of it have done their work then.
 * @throws {AppError} `feature_disabled`, `unauthenticated`, `insufficient_scope`
 */
export async function listAssignments(
  deps: AssignmentDeps,
  actor: Actor,
  options: { after: string; limit: number },
): Promise<{ assignments: OauthAssignmentRow[]; next: string | undefined }> {
  const person = openAssignments(deps, actor);
  const beforeId = Number(options.after || LARGEST_ID);
  const rows = await selectOauthAssignments(deps.sql, {
    userId: person.id,
    beforeId: Number.isSafeInteger(beforeId) ? beforeId : LARGEST_ID,
    limit: options.limit + 1,
  });
  if (deps.config.REGISTRY_STATE !== "readonly") {
    await deleteUserNotifications(deps.sql, {
      kind: "assigned_authorization",
      targetId: person.id,
      matching: {},
    });
  }
  const assignments = rows.slice(0, options.limit);
  return { assignments, next: rows.length > options.limit ? `${assignments.at(-1)?.id}` : undefined };
}

/** The person does without it. @throws {AppError} `not_found`, and as {@link listAssignments} */
export async function declineAssignment(deps: AssignmentDeps, actor: Actor, uuid: string): Promise<void> {
  const person = openAssignments(deps, actor);
  if (!await deleteOauthAssignment(deps.sql, person.id, uuid)) {
    throw new AppError("not_found", "There is no such assigned authorization");
  }
}

/** The person's assignment of that id, when it is for what is being asked for. */
export async function findMatchingAssignment(
  deps: Pick<Deps, "sql" | "config">,
  person: Person,
  asked: {
    applicationId: number;
    redirectUri: string;
    responseType: string;
    scopes: ReadonlySet<Scope>;
    assignmentUuid?: string | undefined;
  },
): Promise<OauthAssignmentRow | undefined> {
  const { assignmentUuid: uuid } = asked;
  if (!deps.config.FEATURE_ASSIGN_OAUTH_TOKEN || uuid === undefined || uuid.length > 255) return undefined;
  const row = await selectOauthAssignment(deps.sql, person.id, uuid);
  const matches = row !== undefined && row.application.id === asked.applicationId &&
    row.redirectUri === asked.redirectUri && row.responseType === asked.responseType &&
    coversScopes(parseScopes(row.scope), asked.scopes);
  return matches ? row : undefined;
}

function openAssignments({ config }: Pick<Deps, "config">, actor: Actor): Person {
  if (!config.FEATURE_ASSIGN_OAUTH_TOKEN) throw new AppError("feature_disabled", "Not Found");
  return requirePerson(actor, "user:admin");
}

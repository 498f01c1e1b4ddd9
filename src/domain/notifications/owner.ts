/** Whose notifications they are, opened for those who administer them. */
import type { NotificationPlace } from "../../drivers/database/queries/notification.ts";
import { selectNamespace, type UserRow } from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import { refusal, requirePerson } from "../access/rights.ts";
import type { Deps } from "../deps.ts";
import { openOrganization, openOrganizationForReading } from "../organizations/organizations.ts";
import type { RepositoryRef } from "../repositories/repositories.ts";

/** A repository, or a namespace itself. */
export type NotificationOwner =
  | ({ readonly kind: "repository" } & Pick<RepositoryRef, "id" | "namespaceId" | "namespace" | "name">)
  | { readonly kind: "namespace"; readonly namespaceId: number; readonly namespace: string };

/** @param repository opened by the caller for `admin` */
export function ofRepository({ id, namespaceId, namespace, name }: RepositoryRef): NotificationOwner {
  return { kind: "repository", id, namespaceId, namespace, name };
}

/** @throws {AppError} `feature_disabled` */
export function requireNamespaceNotifications({ config }: Pick<Deps, "config">): void {
  if (!config.FEATURE_QUOTA_NOTIFICATIONS) throw new AppError("feature_disabled", "Not Found");
}

/**
 * For administrators of the organization; `read` also for global read-only superusers.
 * @throws {AppError} `not_found`, `insufficient_scope`, `unauthenticated`
 */
export async function openOrganizationNotifications(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  name: string,
  how: "read" | "change",
): Promise<NotificationOwner> {
  const open = how === "read" ? openOrganizationForReading : openOrganization;
  return ofNamespace(await open(deps, actor, name));
}

/** Those of the caller's own namespace. @throws {AppError} `unauthenticated`, `insufficient_scope` */
export async function openOwnNotifications(
  { sql }: Pick<Deps, "sql">,
  actor: Actor,
): Promise<NotificationOwner> {
  const account = await selectNamespace(sql, requirePerson(actor, "user:admin").username);
  if (account === undefined) throw refusal(actor);
  return ofNamespace(account);
}

function ofNamespace({ id, username }: UserRow): NotificationOwner {
  return { kind: "namespace", namespaceId: id, namespace: username };
}

export function placeOf(owner: NotificationOwner): NotificationPlace {
  return owner.kind === "repository"
    ? { kind: "repository", repositoryId: owner.id }
    : { kind: "namespace", namespaceId: owner.namespaceId };
}

/** OAuth applications of organizations: who may ask users for tokens, and where those are sent. */
import {
  deleteOauthApplication,
  insertOauthApplication,
  type OauthApplicationFields,
  type OauthApplicationRow,
  selectOauthApplication,
  selectOauthApplications,
  updateOauthApplication,
  updateOauthApplicationSecret,
} from "../../drivers/database/queries/oauth_application.ts";
import type { UserRow } from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import { randomText } from "../../lib/random_text.ts";
import { type Actor, isGlobalReadonlySuperuser } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import type { LogKind } from "../logs/log_kinds.ts";
import { findOrganization, openOrganization } from "../organizations/organizations.ts";
import { canAdministerNamespace } from "../access/rights.ts";

export type { OauthApplicationFields, OauthApplicationRow };

type ApplicationDeps = Pick<Deps, "sql" | "config" | "secrets" | "now">;

export interface ApplicationPath {
  readonly organization: string;
  readonly clientId: string;
}

/** An application, with its secret for those who administer it. */
export interface OauthApplication extends OauthApplicationRow {
  readonly secret: string | undefined;
}

/**
 * The organization's applications, oldest first.
 * @param actor administrator of the organization, or a global read-only superuser, who sees no secrets
 * @throws {AppError} `not_found`, `insufficient_scope`, `unauthenticated`
 */
export async function listApplications(
  deps: ApplicationDeps,
  actor: Actor,
  organization: string,
): Promise<OauthApplication[]> {
  const { owner, isAdmin } = await openForReading(deps, actor, organization);
  const rows = await selectOauthApplications(deps.sql, owner.id);
  return rows.map((row) => withSecret(deps, row, isAdmin));
}

/** One of them. @param actor as for {@link listApplications} @throws {AppError} as there */
export async function getApplication(
  deps: ApplicationDeps,
  actor: Actor,
  path: ApplicationPath,
): Promise<OauthApplication> {
  const { owner, isAdmin } = await openForReading(deps, actor, path.organization);
  return withSecret(deps, await findIn(deps, owner, path.clientId), isAdmin);
}

/**
 * @param actor administrator of the organization
 * @throws {AppError} `not_found`, `insufficient_scope`, `unauthenticated`
 */
export async function createApplication(
  deps: ApplicationDeps,
  actor: Actor,
  organization: string,
  fields: OauthApplicationFields,
): Promise<OauthApplication> {
  const owner = await openOrganization(deps, actor, organization);
  const clientId = randomText(20);
  return await deps.sql.begin(async (tx) => {
    await insertOauthApplication(tx, {
      ...fields,
      clientId,
      sealedSecret: deps.secrets.encrypt(randomText(40)),
      organizationId: owner.id,
    });
    const created = await findIn({ sql: tx }, owner, clientId);
    await logChange({ ...deps, sql: tx }, actor, created, "create_application");
    return withSecret(deps, created, true);
  });
}

/** @param actor administrator of the organization @throws {AppError} as {@link createApplication} */
export async function changeApplication(
  deps: ApplicationDeps,
  actor: Actor,
  path: ApplicationPath,
  fields: OauthApplicationFields,
): Promise<OauthApplication> {
  const { owner, application } = await openApplication(deps, actor, path);
  return await deps.sql.begin(async (tx) => {
    await updateOauthApplication(tx, application.id, fields);
    const changed = await findIn({ sql: tx }, owner, path.clientId);
    await logChange({ ...deps, sql: tx }, actor, changed, "update_application");
    return withSecret(deps, changed, true);
  });
}

/** The old secret is void at once; tokens stay. @throws {AppError} as {@link createApplication} */
export async function resetApplicationSecret(
  deps: ApplicationDeps,
  actor: Actor,
  path: ApplicationPath,
): Promise<OauthApplication> {
  const { owner, application } = await openApplication(deps, actor, path);
  return await deps.sql.begin(async (tx) => {
    await updateOauthApplicationSecret(tx, application.id, deps.secrets.encrypt(randomText(40)));
    const changed = await findIn({ sql: tx }, owner, path.clientId);
    await logChange({ ...deps, sql: tx }, actor, changed, "reset_application_client_secret");
    return withSecret(deps, changed, true);
  });
}

/** With every token that it was given. @throws {AppError} as {@link createApplication} */
export async function deleteApplication(
  deps: ApplicationDeps,
  actor: Actor,
  path: ApplicationPath,
): Promise<void> {
  const { application } = await openApplication(deps, actor, path);
  await deps.sql.begin(async (tx) => {
    await deleteOauthApplication(tx, application.id);
    await logChange({ ...deps, sql: tx }, actor, application, "delete_application");
  });
}

/**
 * The organization and its application, once `actor` administers the organization.
 * @throws {AppError} `not_found`, `insufficient_scope`, `unauthenticated`
 */
export async function openApplication(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  path: ApplicationPath,
): Promise<{ owner: UserRow; application: OauthApplicationRow }> {
  const owner = await openOrganization(deps, actor, path.organization);
  return { owner, application: await findIn(deps, owner, path.clientId) };
}

/** The application, for callers that have checked permission. @throws {AppError} `not_found` */
export async function findOrganizationApplication(
  deps: Pick<Deps, "sql">,
  path: ApplicationPath,
): Promise<OauthApplicationRow> {
  return await findIn(deps, await findOrganization(deps, path.organization), path.clientId);
}

/** What everybody may know of an application. @throws {AppError} `not_found` */
export async function findApplication(
  deps: Pick<Deps, "sql">,
  clientId: string,
): Promise<OauthApplicationRow> {
  const row = clientId.length <= 255 ? await selectOauthApplication(deps.sql, clientId) : undefined;
  if (row === undefined) throw new AppError("not_found", "There is no such application");
  return row;
}

/** The client's secret. @throws {Error} when it does not open with `DATABASE_SECRET_KEY` */
export function secretOf(deps: Pick<Deps, "secrets">, application: OauthApplicationRow): string | undefined {
  return application.sealedSecret === null ? undefined : deps.secrets.decrypt(application.sealedSecret);
}

/** What the log says of each application. */
export function applicationMetadata({ name, clientId }: OauthApplicationRow) {
  return { application_name: name, client_id: clientId };
}

async function openForReading(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  name: string,
): Promise<{ owner: UserRow; isAdmin: boolean }> {
  if (!isGlobalReadonlySuperuser(deps.config, actor)) {
    return { owner: await openOrganization(deps, actor, name), isAdmin: true };
  }
  const owner = await findOrganization(deps, name);
  return { owner, isAdmin: await canAdministerNamespace(deps, actor, owner) };
}

async function findIn(
  { sql }: { readonly sql: Parameters<typeof selectOauthApplication>[0] },
  owner: UserRow,
  clientId: string,
): Promise<OauthApplicationRow> {
  const row = clientId.length <= 255 ? await selectOauthApplication(sql, clientId, owner.id) : undefined;
  if (row === undefined) throw new AppError("not_found", "There is no such application");
  return row;
}

function withSecret(
  deps: Pick<Deps, "secrets">,
  row: OauthApplicationRow,
  isAdmin: boolean,
): OauthApplication {
  return { ...row, secret: isAdmin ? secretOf(deps, row) : undefined };
}

function logChange(
  deps: Parameters<typeof logAction>[0],
  actor: Actor,
  application: OauthApplicationRow,
  kind: LogKind,
): Promise<void> {
  return logAction(deps, actor, {
    kind,
    namespaceId: application.ownerId,
    metadata: applicationMetadata(application),
  });
}

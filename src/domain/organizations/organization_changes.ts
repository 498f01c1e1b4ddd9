/** The settings of an organization. */
import {
  deleteContactEmail,
  selectContactEmail,
  upsertContactEmail,
} from "../../drivers/database/queries/contact_email.ts";
import { updateAccountSettings } from "../../drivers/database/queries/user.ts";
import type { Actor } from "../access/access.ts";
import {
  changedSettings,
  checkOptionalEmail,
  checkTagExpiration,
  claimEmail,
  logSharedSettings,
  type SharedSettings,
} from "../accounts/account_settings.ts";
import { checkEmail, visibleEmail } from "../accounts/accounts.ts";
import type { Deps } from "../deps.ts";
import { logAction } from "../logs/action_log.ts";
import type { LogKind } from "../logs/log_kinds.ts";
import { openOrganization } from "./organizations.ts";

/** What its administrators may change of an organization; what is absent stays as it is. */
export interface OrganizationChange extends SharedSettings {
  readonly email?: string | undefined;
  /** `""` takes it away. */
  readonly contactEmail?: string | undefined;
}

/**
 * Changes an organization, all of it or nothing.
 * @throws {AppError} `invalid_request`, `already_exists` (e-mail), `not_found`, `insufficient_scope`, `unauthenticated`
 */
export async function changeOrganization(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  name: string,
  change: OrganizationChange,
): Promise<void> {
  const organization = await openOrganization(deps, actor, name);
  const { email, contactEmail, invoiceEmail, invoiceEmailAddress } = change;
  const tagExpirationS = checkTagExpiration(deps.config, change.tagExpirationS);
  const oldEmail = visibleEmail(organization);
  const oldContact = await selectContactEmail(deps.sql, organization.id) ?? "";
  // Forms send back what they were shown.
  const newEmail = email === undefined || email === (oldEmail || oldContact) ? undefined : email;
  if (newEmail !== undefined) checkEmail(deps, newEmail);
  const isNewContact = contactEmail !== oldContact && contactEmail !== (oldContact || oldEmail);
  const newContact = isNewContact ? contactEmail : undefined;
  checkOptionalEmail(newContact);
  checkOptionalEmail(invoiceEmailAddress);
  const settings = { invoiceEmail, invoiceEmailAddress, tagExpirationS };
  const changes = changedSettings(organization, settings);
  await deps.sql.begin(async (tx) => {
    const log = (kind: LogKind, metadata: Record<string, unknown>) =>
      logAction({ ...deps, sql: tx }, actor, {
        kind,
        namespaceId: organization.id,
        metadata: { ...metadata, namespace: name },
      });
    await updateAccountSettings(tx, organization.id, changes);
    if (newEmail !== undefined) {
      await claimEmail(tx, organization, newEmail);
      await log("org_change_email", { email: newEmail, old_email: oldEmail });
    }
    if (newContact !== undefined) {
      await (newContact === ""
        ? deleteContactEmail(tx, organization.id)
        : upsertContactEmail(tx, organization.id, newContact));
      await log("org_change_email", { email: newContact, old_email: oldContact });
    }
    await logSharedSettings(log, "org", changes, settings);
  });
}

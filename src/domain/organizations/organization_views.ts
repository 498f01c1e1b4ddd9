/** What somebody is shown of organizations, and which. */
import { selectContactEmail } from "../../drivers/database/queries/contact_email.ts";
import {
  isOrganizationMember,
  selectTeams,
  type TeamListing,
  type TeamRole,
} from "../../drivers/database/queries/team.ts";
import {
  selectNamespaces,
  selectOrganizationsOf,
  type UserRow,
} from "../../drivers/database/queries/user.ts";
import { type Actor, isGlobalReadonlySuperuser } from "../access/access.ts";
import { canAdministerNamespace, hasScope } from "../access/rights.ts";
import type { Deps } from "../deps.ts";
import { findOrganization } from "./organizations.ts";

export interface OrganizationDescription {
  readonly organization: UserRow;
  readonly isAdmin: boolean;
  readonly isMember: boolean;
  /** For those who may see them. */
  readonly teams: TeamListing[] | undefined;
  /** For administrators; `""`: none. */
  readonly contactEmail: string | undefined;
}

/** What `actor` may see of an organization: everybody its name, members the teams, administrators the settings. */
export async function describeOrganization(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  name: string,
): Promise<OrganizationDescription> {
  const organization = await findOrganization(deps, name);
  const userId = actor.kind === "user" || actor.kind === "robot" ? actor.id : null;
  const isAdmin = await canAdministerNamespace(deps, actor, organization);
  const isMember = userId !== null && hasScope(actor, "org:admin") &&
    await isOrganizationMember(deps.sql, organization.id, userId);
  const seesTeams = isAdmin || isMember || isGlobalReadonlySuperuser(deps.config, actor);
  const teams = seesTeams ? await selectTeams(deps.sql, organization.id, userId) : undefined;
  const contactEmail = isAdmin ? await selectContactEmail(deps.sql, organization.id) ?? "" : undefined;
  return { organization, isAdmin, isMember, teams, contactEmail };
}

/** The organizations in whose teams the person is. */
export function listOrganizationsOf(deps: Pick<Deps, "sql">, person: { id: number }) {
  return selectOrganizationsOf(deps.sql, person.id);
}

export interface ShownNamespace {
  readonly name: string;
  readonly email: string;
  readonly isOrganization: boolean;
  /** In `PUBLIC_NAMESPACES`. */
  readonly isPublic: boolean;
  /** The person's; absent: none. */
  readonly role?: TeamRole;
}

/** What consoles list for the person: its organizations, and the namespaces that everybody is shown. */
export async function listShownNamespaces(
  deps: Pick<Deps, "sql" | "config">,
  person: { id: number },
): Promise<ShownNamespace[]> {
  const isPublic = new Set(deps.config.PUBLIC_NAMESPACES);
  const own = (await listOrganizationsOf(deps, person)).map((organization) => ({
    ...organization,
    isOrganization: true,
    isPublic: isPublic.has(organization.name),
  }));
  for (const { name } of own) isPublic.delete(name);
  if (isPublic.size === 0) return own;
  const others = (await selectNamespaces(deps.sql, [...isPublic])).filter(({ id }) => id !== person.id);
  const shown = others.map(({ username, email, organization }) => ({
    name: username,
    email,
    isOrganization: organization,
    isPublic: true,
  }));
  return [...own, ...shown].sort((a, b) => a.name < b.name ? -1 : 1);
}

import { visibleEmail } from "../domain/accounts/accounts.ts";
import { createOrganization, deleteOrganization } from "../domain/organizations/organizations.ts";
import { describeOrganization } from "../domain/organizations/organization_views.ts";
import { renameOrganization } from "../domain/organizations/managed_organizations.ts";
import { OPERATOR, operatorCommand } from "./operator.ts";
import { fields, table } from "./table.ts";
import { allAccounts } from "./user.ts";

export const orgCommand = operatorCommand({
  name: "org",
  summary: "organizations: create, list, show, rename, delete",
  subcommands: {
    create: {
      operands: ["NAME"],
      flags: { email: { type: "string" }, owner: { type: "string" } },
      usage: "[--email ADDRESS] [--owner USER]",
      summary: "creates an organization with the team owners, and USER in it",
      async run({ deps, operands: [name = ""], text }) {
        const owner = text("owner");
        const organization = await createOrganization(deps, OPERATOR, { name, email: text("email"), owner });
        return {
          json: { name, email: visibleEmail(organization), owner: owner ?? null },
          text: `created organization ${name}\n`,
        };
      },
    },
    list: {
      operands: [],
      summary: "all organizations by name",
      async run({ deps }) {
        const organizations = await allAccounts(deps, "organization");
        return {
          json: organizations.map((row) => ({ name: row.username, email: visibleEmail(row) })),
          text: table(["NAME", "EMAIL"], organizations.map((row) => [row.username, visibleEmail(row)])),
        };
      },
    },
    show: {
      operands: ["NAME"],
      summary: "one organization and its teams",
      async run({ deps, operands: [name = ""] }) {
        const { organization, teams = [] } = await describeOrganization(deps, OPERATOR, name);
        const json = {
          name,
          email: visibleEmail(organization),
          teams: teams.map((team) => ({ name: team.name, role: team.role, members: team.memberCount })),
        };
        const rows = json.teams.map((team) => [team.name, team.role, `${team.members}`]);
        const text = `${fields([["name", name], ["email", json.email]])}\n${
          table(["TEAM", "ROLE", "MEMBERS"], rows)
        }`;
        return { json, text };
      },
    },
    rename: {
      operands: ["NAME", "NEW-NAME"],
      summary: "gives the organization and its robots another name; images are at the new one only",
      async run({ deps, operands: [name = "", newName = ""] }) {
        await renameOrganization(deps, OPERATOR, name, newName);
        return {
          json: { name: newName, old_name: name },
          text: `renamed organization ${name} to ${newName}\n`,
        };
      },
    },
    delete: {
      operands: ["NAME"],
      summary: "deletes the organization with its robots and repositories",
      async run({ deps, operands: [name = ""] }) {
        await deleteOrganization(deps, OPERATOR, name);
        return { json: { name, deleted: true }, text: `deleted organization ${name}\n` };
      },
    },
  },
});

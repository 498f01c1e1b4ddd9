import { visibleEmail } from "../domain/accounts/accounts.ts";
import { describeOrganization } from "../domain/organizations/organization_views.ts";
import {
  addTeamMember,
  deleteTeam,
  putTeam,
  removeTeamMember,
  type TeamRole,
  viewTeam,
} from "../domain/organizations/teams.ts";
import { AppError } from "../lib/errors.ts";
import { OPERATOR, operatorCommand, type Request } from "./operator.ts";
import { usageError } from "./output.ts";
import { table } from "./table.ts";

const operands = ["ORGANIZATION", "TEAM"];
const ROLES = ["member", "creator", "admin"] as const;

export const teamCommand = operatorCommand({
  name: "team",
  summary: "teams of organizations: create, list, members, add, remove, role, delete",
  notes:
    "A team's role is what its members are in the organization: member (only what repositories grant to the\n" +
    "team), creator (may create repositories), admin (may do everything there).",
  subcommands: {
    create: {
      operands,
      flags: { role: { type: "string" }, description: { type: "string" } },
      usage: "[--role member|creator|admin] [--description TEXT]",
      summary: "creates a team without members",
      check: (request) => void roleFlag(request),
      async run(request) {
        const path = pathOf(request);
        const { teams = [] } = await describeOrganization(request.deps, OPERATOR, path.organization);
        if (teams.some(({ name }) => name === path.team)) {
          throw new AppError("already_exists", `There is a team named ${path.team} already`);
        }
        const role = roleFlag(request) ?? "member";
        await putTeam(request.deps, OPERATOR, path, { role, description: request.text("description") });
        return { json: { ...path, role }, text: `created team ${path.team} of ${path.organization}\n` };
      },
    },
    list: {
      operands: ["ORGANIZATION"],
      summary: "the teams of an organization",
      async run({ deps, operands: [organization = ""] }) {
        const { teams = [] } = await describeOrganization(deps, OPERATOR, organization);
        const json = teams.map((team) => ({
          name: team.name,
          role: team.role,
          description: team.description,
          members: team.memberCount,
          repositories: team.repositoryCount,
          synced: team.isSynced,
        }));
        const rows = json.map((team) => [
          team.name,
          team.role,
          `${team.members}`,
          `${team.repositories}`,
          team.description,
        ]);
        return { json, text: table(["TEAM", "ROLE", "MEMBERS", "REPOSITORIES", "DESCRIPTION"], rows) };
      },
    },
    members: {
      operands,
      summary: "who is in a team, or has been invited",
      async run(request) {
        const view = await viewTeam(request.deps, OPERATOR, pathOf(request), { includePending: true });
        const json = [
          ...view.members.map((member) => ({
            name: member.name,
            kind: member.isRobot ? "robot" : "user",
            email: visibleEmail(member),
            invited: false,
          })),
          ...view.invites.map((invite) => ({
            name: invite.name ?? "",
            kind: "user",
            email: visibleEmail(invite),
            invited: true,
          })),
        ];
        const rows = json.map((who) => [who.name, who.kind, who.email, who.invited ? "invited" : "member"]);
        return { json, text: table(["NAME", "KIND", "EMAIL", "STATE"], rows) };
      },
    },
    add: {
      operands: [...operands, "USER"],
      summary: "puts a user, or a robot of the organization, into a team",
      async run(request) {
        const path = pathOf(request);
        const username = request.operands[2] ?? "";
        const { invited } = await addTeamMember(request.deps, OPERATOR, path, username);
        return {
          json: { ...path, username, invited },
          text: invited
            ? `invited ${username} into team ${path.team}\n`
            : `added ${username} to team ${path.team}\n`,
        };
      },
    },
    remove: {
      operands: [...operands, "USER"],
      summary: "takes somebody out of a team",
      async run(request) {
        const path = pathOf(request);
        const username = request.operands[2] ?? "";
        await removeTeamMember(request.deps, OPERATOR, path, username);
        return {
          json: { ...path, username, removed: true },
          text: `removed ${username} from team ${path.team}\n`,
        };
      },
    },
    role: {
      operands: [...operands, ROLES.join("|")],
      summary: "gives a team another role",
      check: (request) => void readRole(request.operands[2]),
      async run(request) {
        const path = pathOf(request);
        const role = readRole(request.operands[2]);
        // Only one that is there: `create` makes teams.
        await viewTeam(request.deps, OPERATOR, path, { includePending: false });
        await putTeam(request.deps, OPERATOR, path, { role });
        return { json: { ...path, role }, text: `team ${path.team} of ${path.organization} is ${role}\n` };
      },
    },
    delete: {
      operands,
      summary: "deletes a team; its members lose what they had by it",
      async run(request) {
        const path = pathOf(request);
        await deleteTeam(request.deps, OPERATOR, path);
        return {
          json: { ...path, deleted: true },
          text: `deleted team ${path.team} of ${path.organization}\n`,
        };
      },
    },
  },
});

function pathOf({ operands: [organization = "", team = ""] }: Pick<Request, "operands">) {
  return { organization, team };
}

function roleFlag(request: Pick<Request, "text">): TeamRole | undefined {
  const role = request.text("role");
  return role === undefined ? undefined : readRole(role);
}

function readRole(text: string | undefined): TeamRole {
  const role = ROLES.find((known) => known === text);
  if (role === undefined) throw usageError(`"${text}": a team's role is one of ${ROLES.join(", ")}`);
  return role;
}

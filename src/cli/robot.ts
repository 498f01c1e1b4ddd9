import {
  createRobot,
  deleteRobot,
  getRobot,
  listRobotPermissions,
  listRobots,
  regenerateRobotToken,
  type Robot,
} from "../domain/accounts/robots.ts";
import { removeUserPermission, setUserPermission } from "../domain/access/repository_permissions.ts";
import { openRepository } from "../domain/repositories/repositories.ts";
import { OPERATOR, operatorCommand, type Request } from "./operator.ts";
import { type Output, usageError } from "./output.ts";
import { fields, table } from "./table.ts";

const operands = ["NAMESPACE+NAME"];
const ROLES = ["read", "write", "admin", "none"] as const;

export const robotCommand = operatorCommand({
  name: "robot",
  summary: "robot accounts: create, list, show, regenerate, permission, delete",
  notes: "A robot signs in with its full name, namespace+name, and its token as the password.",
  subcommands: {
    create: {
      operands,
      flags: { description: { type: "string" } },
      usage: "[--description TEXT]",
      summary: "creates a robot and prints its token",
      check: splitOperand,
      run: async (request) =>
        describe(
          await createRobot(request.deps, OPERATOR, {
            ...splitOperand(request),
            description: request.text("description") ?? "",
          }),
        ),
    },
    list: {
      operands: ["NAMESPACE"],
      summary: "the robots of a user or organization; tokens only with show",
      async run({ deps, operands: [namespace = ""] }) {
        const { robots } = await listRobots(deps, OPERATOR, { namespace });
        const json = robots.map((robot) => {
          const { token: _token, ...rest } = robotJson(robot);
          return rest;
        });
        const rows = json.map((robot) => [robot.name, robot.last_accessed ?? "never", robot.description]);
        return { json, text: table(["NAME", "LAST USED", "DESCRIPTION"], rows) };
      },
    },
    show: {
      operands,
      summary: "a robot, its token and its permissions",
      check: splitOperand,
      async run(request) {
        const path = splitOperand(request);
        const robot = await getRobot(request.deps, OPERATOR, path);
        const permissions = await listRobotPermissions(request.deps, OPERATOR, path);
        const shown = describe(robot);
        const rows = permissions.map(({ repository, role }) => [`${path.namespace}/${repository}`, role]);
        return {
          json: {
            ...robotJson(robot),
            permissions: permissions.map(({ repository, role }) => ({ repository, role })),
          },
          text: rows.length === 0 ? shown.text : `${shown.text}\n${table(["REPOSITORY", "ROLE"], rows)}`,
        };
      },
    },
    regenerate: {
      operands,
      summary: "gives a robot a new token; the old one is void at once",
      check: splitOperand,
      run: async (request) =>
        describe(await regenerateRobotToken(request.deps, OPERATOR, splitOperand(request))),
    },
    permission: {
      operands: [...operands, "REPOSITORY[,REPOSITORY…]", ROLES.join("|")],
      summary: "gives a robot a role on repositories of its namespace, or takes it away; all of them or none",
      check: (request) => void [splitOperand(request), roleOf(request)],
      async run(request) {
        const { deps, operands: [name = "", list = ""] } = request;
        const { namespace } = splitOperand(request);
        const role = roleOf(request);
        // All are looked up first: a mistyped name changes nothing.
        const names = list.split(",").filter((repository) => repository !== "");
        const repositories = [];
        for (const repository of names) {
          repositories.push(await openRepository(deps, OPERATOR, { namespace, name: repository }, "admin"));
        }
        await getRobot(deps, OPERATOR, splitOperand(request));
        for (const repository of repositories) {
          if (role === "none") await removeUserPermission(deps, OPERATOR, repository, name);
          else await setUserPermission(deps, OPERATOR, repository, name, role);
        }
        const permissions = await listRobotPermissions(deps, OPERATOR, splitOperand(request));
        const json = permissions.map(({ repository, role }) => ({ repository, role }));
        return {
          json,
          text: table(["REPOSITORY", "ROLE"], json.map(({ repository, role }) => [repository, role])),
        };
      },
    },
    delete: {
      operands,
      summary: "deletes a robot",
      check: splitOperand,
      async run(request) {
        await deleteRobot(request.deps, OPERATOR, splitOperand(request));
        const [name] = request.operands;
        return { json: { name, deleted: true }, text: `deleted robot ${name}\n` };
      },
    },
  },
});

function splitOperand(
  { operands: [full = ""] }: Pick<Request, "operands">,
): { namespace: string; short: string } {
  const [namespace = "", short = "", ...more] = full.split("+");
  if (namespace === "" || short === "" || more.length > 0) {
    throw usageError(`"${full}" is no robot name: write NAMESPACE+NAME`);
  }
  return { namespace, short };
}

function roleOf({ operands: [, , wanted] }: Pick<Request, "operands">): (typeof ROLES)[number] {
  const role = ROLES.find((known) => known === wanted);
  if (role === undefined) throw usageError(`"${wanted}": write one of ${ROLES.join(", ")}`);
  return role;
}

function robotJson(robot: Robot) {
  return {
    name: robot.name,
    description: robot.description,
    created: robot.createdMs === null ? null : new Date(robot.createdMs).toISOString(),
    last_accessed: robot.lastAccessedMs === null ? null : new Date(robot.lastAccessedMs).toISOString(),
    token: robot.token ?? "",
  };
}

function describe(robot: Robot): Output {
  const json = robotJson(robot);
  const text = fields([
    ["name", json.name],
    ["token", json.token],
    ["description", json.description],
    ["last used", json.last_accessed ?? "never"],
  ]);
  return { json, text };
}

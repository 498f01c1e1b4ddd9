import type { Deps } from "../domain/deps.ts";
import {
  listTeamPermissions,
  listUserPermissions,
  removeTeamPermission,
  removeUserPermission,
  setTeamPermission,
  setUserPermission,
} from "../domain/repository_permissions.ts";
import {
  createRepository,
  deleteRepository,
  listRepositories,
  openRepository,
  REPOSITORY_STATE,
  type RepositoryRow,
  setVisibility,
  type Visibility,
} from "../domain/repositories.ts";
import { findNamespace } from "../domain/organizations.ts";
import { OPERATOR, operatorCommand, type Request } from "./operator.ts";
import { type Output, usageError } from "./output.ts";
import { fields, table } from "./table.ts";

const PAGE = 500;
const operands = ["NAMESPACE/NAME"];
const ROLES = ["read", "write", "admin", "none"] as const;

export const repoCommand = operatorCommand({
  name: "repo",
  summary: "repositories: create, list, show, delete, visibility, permission",
  subcommands: {
    create: {
      operands,
      flags: { public: { type: "boolean" }, description: { type: "string" } },
      usage: "[--public] [--description TEXT]",
      summary: "creates a repository, private unless --public",
      check: pathOf,
      async run(request) {
        const visibility: Visibility = request.isSet("public") ? "public" : "private";
        await createRepository(request.deps, OPERATOR, {
          ...pathOf(request),
          visibility,
          description: request.text("description") ?? "",
        });
        return {
          json: { ...pathOf(request), visibility },
          text: `created repository ${request.operands[0]}\n`,
        };
      },
    },
    list: {
      operands: ["NAMESPACE"],
      summary: "the repositories of a user or organization by name",
      async run({ deps, operands: [namespace = ""] }) {
        await findNamespace(deps, namespace);
        const all: RepositoryRow[] = [];
        let after: string | undefined = "";
        while (after !== undefined) {
          const page = await listRepositories(deps, OPERATOR, { namespace, after, limit: PAGE });
          all.push(...page.repositories);
          after = page.next;
        }
        const rows = all.map((row) => [`${row.namespace}/${row.name}`, row.visibility, stateName(row)]);
        return { json: all.map(repositoryJson), text: table(["NAME", "VISIBILITY", "STATE"], rows) };
      },
    },
    show: {
      operands,
      summary: "one repository",
      check: pathOf,
      async run(request) {
        const row = await open(request);
        const json = repositoryJson(row);
        return {
          json,
          text: fields([
            ["name", `${row.namespace}/${row.name}`],
            ["visibility", json.visibility],
            ["state", json.state],
            ["description", json.description],
          ]),
        };
      },
    },
    delete: {
      operands,
      summary: "deletes a repository with everything in it",
      check: pathOf,
      async run(request) {
        await deleteRepository(request.deps, OPERATOR, await open(request));
        return {
          json: { ...pathOf(request), deleted: true },
          text: `deleted repository ${request.operands[0]}\n`,
        };
      },
    },
    visibility: {
      operands: [...operands, "public|private"],
      summary: "makes a repository public or private",
      check: (request) => void [pathOf(request), visibilityOf(request)],
      async run(request) {
        const visibility = visibilityOf(request);
        await setVisibility(request.deps, OPERATOR, await open(request), visibility);
        return {
          json: { ...pathOf(request), visibility },
          text: `${request.operands[0]} is ${visibility}\n`,
        };
      },
    },
    permission: {
      operands,
      flags: { user: { type: "string" }, team: { type: "string" }, role: { type: "string" } },
      usage: "[--user NAME | --team NAME] [--role read|write|admin|none]",
      summary: "shows who may do what, or gives a user, robot or team a role",
      check: (request) => void [pathOf(request), changeOf(request)],
      async run(request) {
        const repository = await open(request);
        const change = changeOf(request);
        if (change !== undefined) await applyChange(request.deps, repository, change);
        return await listGrants(request.deps, repository);
      },
    },
  },
});

interface Change {
  readonly kind: "user" | "team";
  readonly name: string;
  readonly role: (typeof ROLES)[number];
}

function changeOf(request: Pick<Request, "text">): Change | undefined {
  const user = request.text("user");
  const team = request.text("team");
  const role = ROLES.find((known) => known === request.text("role"));
  if (user === undefined && team === undefined && request.text("role") === undefined) return undefined;
  if (role === undefined) throw usageError(`--role is one of ${ROLES.join(", ")}`);
  if (user !== undefined && team === undefined) return { kind: "user", name: user, role };
  if (team !== undefined && user === undefined) return { kind: "team", name: team, role };
  throw usageError("give one of --user and --team");
}

async function applyChange(
  deps: Deps,
  repository: RepositoryRow,
  { kind, name, role }: Change,
): Promise<void> {
  if (kind === "user") {
    if (role === "none") await removeUserPermission(deps, OPERATOR, repository, name);
    else await setUserPermission(deps, OPERATOR, repository, name, role);
  } else if (role === "none") await removeTeamPermission(deps, OPERATOR, repository, name);
  else await setTeamPermission(deps, OPERATOR, repository, name, role);
}

async function listGrants(deps: Deps, repository: RepositoryRow): Promise<Output> {
  const users = await listUserPermissions(deps, repository);
  const teams = await listTeamPermissions(deps, repository);
  const json = [
    ...users.map(({ name, role, isRobot }) => ({ kind: isRobot ? "robot" : "user", name, role })),
    ...teams.map(({ name, role }) => ({ kind: "team", name, role })),
  ];
  return {
    json,
    text: table(["KIND", "NAME", "ROLE"], json.map(({ kind, name, role }) => [kind, name, role])),
  };
}

function open(request: Request): Promise<RepositoryRow> {
  return openRepository(request.deps, OPERATOR, pathOf(request), "admin");
}

function pathOf({ operands: [full = ""] }: Pick<Request, "operands">): { namespace: string; name: string } {
  const slash = full.indexOf("/");
  if (slash < 1 || slash === full.length - 1) {
    throw usageError(`"${full}" is no repository: write NAMESPACE/NAME`);
  }
  return { namespace: full.slice(0, slash), name: full.slice(slash + 1) };
}

function visibilityOf({ operands: [, wanted] }: Pick<Request, "operands">): Visibility {
  if (wanted !== "public" && wanted !== "private") throw usageError(`"${wanted}": write public or private`);
  return wanted;
}

function repositoryJson(row: RepositoryRow) {
  return {
    namespace: row.namespace,
    name: row.name,
    visibility: row.visibility,
    state: stateName(row),
    description: row.description ?? "",
  };
}

function stateName(row: RepositoryRow): string {
  return Object.entries(REPOSITORY_STATE).find(([, value]) => value === row.state)?.[0] ?? `${row.state}`;
}

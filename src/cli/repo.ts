import type { Deps } from "../domain/deps.ts";
import {
  listTeamPermissions,
  listUserPermissions,
  removeTeamPermission,
  removeUserPermission,
  setTeamPermission,
  setUserPermission,
} from "../domain/access/repository_permissions.ts";
import {
  createRepository,
  REPOSITORY_STATE,
  type RepositoryRow,
  type Visibility,
} from "../domain/repositories/repositories.ts";
import { listRepositories } from "../domain/repositories/repository_lists.ts";
import {
  deleteRepository,
  setDescription,
  setState,
  setVisibility,
} from "../domain/repositories/repository_changes.ts";
import { findNamespace } from "../domain/organizations/organizations.ts";
import { OPERATOR, operatorCommand, type Request } from "./operator.ts";
import { type Output, usageError } from "./output.ts";
import { openNamed, pathOf, REPOSITORY } from "./repository_path.ts";
import { fields, table } from "./table.ts";

const PAGE = 500;
const operands = [REPOSITORY];
const ROLES = ["read", "write", "admin", "none"] as const;
const STATES = ["NORMAL", "READ_ONLY", "MIRROR"] as const;

export const repoCommand = operatorCommand({
  name: "repo",
  summary: "repositories: create, list, show, delete, visibility, description, state, permission",
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
        const row = await openNamed(request);
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
        await deleteRepository(request.deps, OPERATOR, await openNamed(request));
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
        await setVisibility(request.deps, OPERATOR, await openNamed(request), visibility);
        return {
          json: { ...pathOf(request), visibility },
          text: `${request.operands[0]} is ${visibility}\n`,
        };
      },
    },
    description: {
      operands: [...operands, "TEXT"],
      summary: "describes a repository",
      check: pathOf,
      async run(request) {
        const [full, description = ""] = request.operands;
        await setDescription(request.deps, OPERATOR, await openNamed(request), description);
        return { json: { ...pathOf(request), description }, text: `described repository ${full}\n` };
      },
    },
    state: {
      operands: [...operands, STATES.join("|")],
      summary: "lets a repository be changed, or not; MIRROR needs a mirror",
      check: (request) => void [pathOf(request), stateOf(request)],
      async run(request) {
        const state = stateOf(request);
        await setState(request.deps, OPERATOR, await openNamed(request), state);
        return { json: { ...pathOf(request), state }, text: `${request.operands[0]} is ${state}\n` };
      },
    },
    permission: {
      operands,
      flags: { user: { type: "string" }, team: { type: "string" }, role: { type: "string" } },
      usage: "[--user NAME | --team NAME] [--role read|write|admin|none]",
      summary: "shows who may do what, or gives a user, robot or team a role",
      check: (request) => void [pathOf(request), changeOf(request)],
      async run(request) {
        const repository = await openNamed(request);
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

function visibilityOf({ operands: [, wanted] }: Pick<Request, "operands">): Visibility {
  if (wanted !== "public" && wanted !== "private") throw usageError(`"${wanted}": write public or private`);
  return wanted;
}

function stateOf({ operands: [, wanted] }: Pick<Request, "operands">): (typeof STATES)[number] {
  const state = STATES.find((known) => known === wanted);
  if (state === undefined) throw usageError(`"${wanted}": write one of ${STATES.join(", ")}`);
  return state;
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

import { findUser, type UserRow, visibleEmail } from "../domain/accounts/accounts.ts";
import {
  changeManagedUser,
  createManagedUser,
  deleteManagedUser,
  listManagedAccounts,
} from "../domain/accounts/managed_accounts.ts";
import type { Deps } from "../domain/deps.ts";
import { listOrganizationsOf } from "../domain/organizations/organization_views.ts";
import { OPERATOR, operatorCommand } from "./operator.ts";
import type { Output } from "./output.ts";
import {
  checkPasswordFlags,
  PASSWORD_FLAGS,
  PASSWORD_NOTES,
  PASSWORD_USAGE,
  readPassword,
} from "./secret_input.ts";
import { fields, table } from "./table.ts";

const PAGE = 500;

export const userCommand = operatorCommand({
  name: "user",
  summary: "users: create, list, show, disable, enable, change address and password, delete",
  notes: PASSWORD_NOTES,
  subcommands: {
    create: {
      operands: ["NAME"],
      flags: { email: { type: "string" }, ...PASSWORD_FLAGS },
      usage: `[--email ADDRESS] ${PASSWORD_USAGE}`,
      summary: "creates a user",
      check: checkPasswordFlags,
      async run(request) {
        const [username = ""] = request.operands;
        const { password, generated } = await readPassword(request);
        const { user } = await createManagedUser(request.deps, OPERATOR, {
          username,
          password,
          email: request.text("email"),
        });
        return describe(`created user ${username}`, userJson(user), generated ? password : undefined);
      },
    },
    list: {
      operands: [],
      summary: "all users by name",
      async run({ deps }) {
        const users = await allAccounts(deps, "user");
        const rows = users.map((
          user,
        ) => [user.username, visibleEmail(user), user.enabled ? "enabled" : "disabled"]);
        return { json: users.map(userJson), text: table(["NAME", "EMAIL", "STATE"], rows) };
      },
    },
    show: {
      operands: ["NAME"],
      summary: "one user and the organizations of whose teams it is a member",
      async run({ deps, operands: [username = ""] }) {
        const user = await findUser(deps, username);
        const organizations = await listOrganizationsOf(deps, user);
        const json = {
          ...userJson(user),
          organizations: organizations.map(({ name, role }) => ({ name, role })),
        };
        const text = fields([
          ["name", json.username],
          ["email", json.email],
          ["enabled", json.enabled ? "yes" : "no"],
          ["superuser", deps.config.SUPER_USERS.includes(username) ? "yes" : "no"],
          ["created", json.created ?? ""],
          ["organizations", json.organizations.map(({ name, role }) => `${name} (${role})`).join(", ")],
        ]);
        return { json: { ...json, super_user: deps.config.SUPER_USERS.includes(username) }, text };
      },
    },
    disable: {
      operands: ["NAME"],
      summary: "nothing of the user's works any more; nothing is deleted",
      run: ({ deps, operands: [username = ""] }) => setEnabled(deps, username, false),
    },
    enable: {
      operands: ["NAME"],
      summary: "undoes disable",
      run: ({ deps, operands: [username = ""] }) => setEnabled(deps, username, true),
    },
    email: {
      operands: ["NAME", "ADDRESS"],
      summary: "changes the user's e-mail address",
      async run({ deps, operands: [username = "", email = ""] }) {
        await changeManagedUser(deps, OPERATOR, username, { email });
        return describe(`the e-mail address of ${username} is ${email}`, { username, email });
      },
    },
    delete: {
      operands: ["NAME"],
      summary: "deletes the user with robots and repositories",
      async run({ deps, operands: [username = ""] }) {
        await deleteManagedUser(deps, OPERATOR, username);
        return describe(`deleted user ${username}`, { username, deleted: true });
      },
    },
    password: {
      operands: ["NAME"],
      flags: PASSWORD_FLAGS,
      usage: PASSWORD_USAGE,
      summary: "sets a new password and ends the user's sessions",
      check: checkPasswordFlags,
      async run(request) {
        const [username = ""] = request.operands;
        // Before a password is asked for: a mistyped name should be told first.
        await findUser(request.deps, username);
        const { password, generated } = await readPassword(request);
        await changeManagedUser(request.deps, OPERATOR, username, { password });
        return describe(`set the password of ${username}`, { username }, generated ? password : undefined);
      },
    },
  },
});

async function setEnabled(deps: Deps, username: string, enabled: boolean): Promise<Output> {
  await changeManagedUser(deps, OPERATOR, username, { enabled });
  return describe(`${enabled ? "enabled" : "disabled"} user ${username}`, { username, enabled });
}

/** Every user or organization, page by page. */
export async function allAccounts(deps: Deps, kind: "user" | "organization"): Promise<UserRow[]> {
  const all: UserRow[] = [];
  for (let after: string | undefined = ""; after !== undefined;) {
    const page = await listManagedAccounts(deps, OPERATOR, { kind, after, limit: PAGE });
    all.push(...page.accounts);
    after = page.next;
  }
  return all;
}

function userJson(user: UserRow) {
  return {
    username: user.username,
    email: visibleEmail(user),
    enabled: user.enabled,
    created: user.createdMs === null ? null : new Date(user.createdMs).toISOString(),
  };
}

/** @param password made up for the operator, who sees it here and never again */
function describe(done: string, json: Record<string, unknown>, password?: string): Output {
  if (password === undefined) return { json, text: `${done}\n` };
  return { json: { ...json, password }, text: `${done}\npassword: ${password}\n` };
}

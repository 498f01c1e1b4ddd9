import { parseDuration } from "../config/duration.ts";
import { SCOPES } from "../domain/access/access.ts";
import {
  createAppTokenFor,
  createOauthTokenFor,
  listTokensOf,
  revokeTokenOf,
} from "../domain/oauth/operator_tokens.ts";
import { OPERATOR, operatorCommand, type Request } from "./operator.ts";
import { type Output, usageError } from "./output.ts";
import { fields, table } from "./table.ts";

export const tokenCommand = operatorCommand({
  name: "token",
  summary: "tokens of users: create, list, revoke",
  notes: `  --scope     what an OAuth token may do for its user, with commas: ${
    SCOPES.slice(0, 4).join(", ")
  },
              ${SCOPES.slice(4).join(", ")}
  --lifetime  such as 90d; ten years unless given
  --app       makes an app-specific token of that title: it takes the place of the password at the registry,
              user name $app
A token is shown once and cannot be read again.`,
  subcommands: {
    create: {
      operands: ["USER"],
      flags: {
        scope: { type: "string" },
        lifetime: { type: "string" },
        name: { type: "string" },
        app: { type: "string" },
      },
      usage: "(--scope SCOPE[,SCOPE…] [--lifetime SPAN] [--name NAME] | --app TITLE)",
      summary: "makes a token that acts as the user",
      check: (request) => void wishOf(request),
      run: (request) => create(request),
    },
    list: {
      operands: ["USER"],
      summary: "the user's tokens, without what would let somebody use them",
      async run({ deps, operands: [username = ""] }) {
        const tokens = await listTokensOf(deps, OPERATOR, username);
        return {
          json: tokens,
          text: table(
            ["ID", "KIND", "NAME", "SCOPE"],
            tokens.map(({ uuid, kind, name, scope }) => [uuid, kind, name, scope]),
          ),
        };
      },
    },
    revoke: {
      operands: ["USER", "ID"],
      summary: "makes a token void at once",
      async run({ deps, operands: [username = "", uuid = ""] }) {
        await revokeTokenOf(deps, OPERATOR, username, uuid);
        return {
          json: { username, id: uuid, revoked: true },
          text: `revoked token ${uuid} of ${username}\n`,
        };
      },
    },
  },
});

type Wish =
  | { readonly kind: "app"; readonly title: string }
  | { readonly kind: "oauth"; readonly scope: string; readonly lifetimeS: number | undefined };

/** @throws {RangeError} */
function wishOf(request: Pick<Request, "text">): Wish {
  const [scope, title, lifetime] = ["scope", "app", "lifetime"].map((flag) => request.text(flag));
  if ((scope === undefined) === (title === undefined)) throw usageError("give one of --scope and --app");
  if (title !== undefined) {
    if (lifetime !== undefined) {
      throw usageError("APP_SPECIFIC_TOKEN_EXPIRATION says how long app-specific tokens live");
    }
    return { kind: "app", title };
  }
  const lifetimeMs = lifetime === undefined ? undefined : parseDuration(lifetime);
  if (lifetime !== undefined && (lifetimeMs === undefined || lifetimeMs === 0)) {
    throw usageError(`--lifetime "${lifetime}": write a whole number and s, m, h, d or w`);
  }
  return {
    kind: "oauth",
    scope: scope ?? "",
    lifetimeS: lifetimeMs === undefined ? undefined : lifetimeMs / 1000,
  };
}

async function create(request: Request): Promise<Output> {
  const { deps, operands: [username = ""] } = request;
  const wish = wishOf(request);
  if (wish.kind === "app") {
    const { token, code } = await createAppTokenFor(deps, OPERATOR, username, wish.title);
    return described({
      id: token.uuid,
      kind: "app",
      username: "$app",
      token: code,
      expires: token.expiresAtMs === null ? null : new Date(token.expiresAtMs).toISOString(),
    });
  }
  const made = await createOauthTokenFor(deps, OPERATOR, username, {
    scope: wish.scope,
    lifetimeS: wish.lifetimeS,
    name: request.text("name") ?? "made at the shell",
  });
  return described({
    id: made.uuid,
    kind: "oauth",
    username,
    scope: made.scope,
    token: made.token,
    expires: new Date(made.expiresAtMs).toISOString(),
  });
}

function described(json: Record<string, string | null>): Output {
  return {
    json,
    text: fields(Object.entries(json).map(([name, value]) => [name, value ?? "never"] as const)),
  };
}

import type { Context } from "hono";
import type { Deps } from "../../domain/deps.ts";
import { exchangeIdentityToken } from "../../domain/accounts/robot_federation.ts";
import { AppError } from "../../lib/errors.ts";
import { originOf } from "../api/client.ts";
import { parseBasic } from "../basic_credentials.ts";
import { PRIVATE_HEADERS } from "../web/page.ts";

/**
 * GET /oauth2/federation/robot/token with Basic `namespace+robot` and an identity token: a token that is the robot's
 * password for an hour. Quay: auth.md §8.
 */
export async function handleRobotToken(deps: Deps, c: Context): Promise<Response> {
  const header = c.req.header("Authorization");
  const credentials = header === undefined ? undefined : parseBasic(header);
  if (credentials === undefined || !credentials.username.includes("+")) {
    const error = header === undefined
      ? "missing auth"
      : "The Authorization header must be Basic, with a robot's name and an identity token";
    return Response.json({ error }, { status: 401, headers: PRIVATE_HEADERS });
  }
  try {
    const { origin } = originOf(c);
    const token = await exchangeIdentityToken(deps, credentials.username, credentials.password, origin);
    return Response.json({ token }, { headers: PRIVATE_HEADERS });
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "invalid_request") throw error;
    return Response.json({ message: error.publicMessage }, { status: 400, headers: PRIVATE_HEADERS });
  }
}

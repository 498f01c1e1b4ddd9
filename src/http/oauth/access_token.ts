import type { Context } from "hono";
import type { Deps } from "../../domain/deps.ts";
import { exchangeCode } from "../../domain/oauth/authorization.ts";
import { AppError, type ErrorCode } from "../../lib/errors.ts";
import { parseBasic } from "../basic_credentials.ts";
import { PRIVATE_HEADERS } from "../web/page.ts";
import { readParameters, requireParameter } from "./parameters.ts";

/** RFC 6749 §5.2. Codes that are none of these are failures of ours. */
const OAUTH_ERRORS: Readonly<Partial<Record<ErrorCode, string>>> = {
  invalid_request: "invalid_request",
  invalid_credentials: "invalid_client",
  invalid_token: "invalid_grant",
  insufficient_scope: "invalid_scope",
  unsupported: "unsupported_grant_type",
};

/**
 * POST /oauth/access_token: an application fetches the token for a code (RFC 6749 §4.1.3). Its secret comes in the form or
 * as Basic credentials.
 */
export async function handleAccessToken(deps: Deps, c: Context): Promise<Response> {
  const basic = parseBasic(c.req.header("Authorization") ?? "");
  try {
    const parameters = await readParameters(c);
    if (requireParameter(parameters, "grant_type") !== "authorization_code") {
      throw new AppError("unsupported", "The only grant type is authorization_code");
    }
    const { token, scope, lifetimeS } = await exchangeCode(deps, {
      clientId: basic?.username || requireParameter(parameters, "client_id"),
      clientSecret: basic?.password || requireParameter(parameters, "client_secret"),
      redirectUri: requireParameter(parameters, "redirect_uri"),
      code: requireParameter(parameters, "code"),
      scope: parameters("scope"),
    });
    return Response.json({ access_token: token, token_type: "Bearer", expires_in: lifetimeS, scope }, {
      headers: PRIVATE_HEADERS,
    });
  } catch (failure) {
    const error = failure instanceof AppError ? OAUTH_ERRORS[failure.code] : undefined;
    if (error === undefined) throw failure;
    const challenge = error === "invalid_client" && basic !== undefined;
    return Response.json({ error, error_description: (failure as AppError).publicMessage }, {
      status: challenge ? 401 : 400,
      headers: { ...PRIVATE_HEADERS, ...(challenge ? { "WWW-Authenticate": `Basic realm="oauth"` } : {}) },
    });
  }
}

import { AppError } from "../../lib/errors.ts";
import type { Actor } from "./access.ts";
import { logAction } from "../logs/action_log.ts";
import { byPassword, type CredentialDeps } from "../accounts/credentials.ts";
import { requirePerson } from "./rights.ts";
import { encryptPassword } from "../secrets.ts";

/**
 * The person's password in a form for clients' configuration files: it works in place of the password and tells nobody
 * what that is.
 * @throws {AppError} `feature_disabled` where nobody signs in with a password, `invalid_request` for a wrong password, `too_many_attempts`, `unauthenticated`, `insufficient_scope`
 */
export async function makeClientKey(deps: CredentialDeps, actor: Actor, password: string): Promise<string> {
  if (["AppToken", "OIDC"].includes(deps.config.AUTHENTICATION_TYPE)) {
    throw new AppError("feature_disabled", "Not Found");
  }
  const { id, username } = requirePerson(actor, "user:admin");
  try {
    await byPassword(deps, username, password, { plainAllowed: true });
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "invalid_credentials") throw error;
    throw new AppError("invalid_request", error.publicMessage, {}, { cause: error });
  }
  await logAction(deps, actor, { kind: "user_generate_client_key", namespaceId: id, metadata: { username } });
  return encryptPassword(deps.config, password);
}

/** Whether a person sits at the other end (`FEATURE_RECAPTCHA`). */
import { AppError } from "../../lib/errors.ts";
import { createWebClient, type WebClient, WebClientError } from "../../lib/web_client.ts";
import type { Actor } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { perPool } from "../per_pool.ts";

type CaptchaDeps = Pick<Deps, "sql" | "config" | "authorities" | "log">;

/** Somebody waits at a form. */
const TIMEOUT_MS = 10_000;
const ANSWER_MAX_BYTES = 16 * 1024;
/** reCAPTCHA's are some 2,000 characters long. */
const SOLUTION_MAX = 8192;

const clients = perPool<{ client?: WebClient | undefined }>(() => ({}));

/**
 * Has the captcha service confirm what a form was sent with. Nothing is asked of people in `RECAPTCHA_WHITELISTED_USERS`.
 * While the service cannot be reached nobody gets through: whoever can cut the link would be let in otherwise. Network:
 * never inside a transaction.
 * @param solution what the captcha gave the browser (`recaptcha_response`)
 * @throws {AppError} `invalid_request`: not solved, or solved before; `upstream_failed`: the service did not answer
 */
export async function requireHuman(
  deps: CaptchaDeps,
  actor: Actor,
  solution: string | undefined,
): Promise<void> {
  const { config } = deps;
  if (!config.FEATURE_RECAPTCHA) return;
  if (actor.kind === "user" && config.RECAPTCHA_WHITELISTED_USERS.includes(actor.username)) return;
  if (!solution || solution.length > SOLUTION_MAX || !await isSolved(deps, actor, solution)) {
    throw new AppError("invalid_request", "Are you a bot? If not, please revalidate the captcha.");
  }
}

/** Ends the connections to the service; for tests, whose servers wait for that. */
export async function closeCaptchaClient({ sql }: Pick<Deps, "sql">): Promise<void> {
  const state = clients(sql);
  await state.client?.close();
  state.client = undefined;
}

async function isSolved(deps: CaptchaDeps, { origin }: Actor, solution: string): Promise<boolean> {
  const { config, log } = deps;
  const url = config.RECAPTCHA_VERIFY_URL;
  let answer: unknown;
  try {
    const client = clients(deps.sql).client ??= createWebClient({
      // The operator has named it: it may be inside.
      allowedHosts: [new URL(url).hostname],
      authorities: deps.authorities,
      timeoutMs: TIMEOUT_MS,
      maxBytes: ANSWER_MAX_BYTES,
    });
    answer = await client.postForm(url, {
      secret: config.RECAPTCHA_SECRET_KEY ?? "",
      response: solution,
      ...(origin && { remoteip: origin.ip }),
    });
  } catch (error) {
    if (!(error instanceof WebClientError)) throw error;
    log.warn("the captcha service cannot be asked", { error });
    throw new AppError(
      "upstream_failed",
      "The service that checks captchas does not answer: try again later.",
      {},
      { cause: error },
    );
  }
  const { success, "error-codes": codes } = (answer ?? {}) as Record<string, unknown>;
  // It is our key that is wrong then, and nobody's solution.
  if (Array.isArray(codes) && codes.some((code) => /input-secret$/.test(String(code)))) {
    log.error("the captcha service refuses RECAPTCHA_SECRET_KEY");
  }
  return success === true;
}

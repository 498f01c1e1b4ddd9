/** Pages with forms, and what they send. */
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Deps } from "../../domain/deps.ts";
import { startSession } from "../../domain/accounts/sessions.ts";
import { asAppError } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import { BodyTooLarge, readForm } from "../api/body.ts";
import { checkCsrf, type Client, identifyClient, writeSession } from "../api/client.ts";
import { type Html, html, showPage } from "./page.ts";

/**
 * A page with forms that send `code` back to `action`, safe from other sites by the session's CSRF token. Starts a session
 * where there is none.
 * @param problem why the last try failed; then the status is 400
 */
export async function showForms(
  deps: Deps,
  c: Context,
  { title, action, code, intro, forms, problem }: {
    title: string;
    action: string;
    code: string;
    intro: Html;
    /** What each form asks for, and its buttons. */
    forms: readonly Html[];
    problem: string | undefined;
  },
): Promise<Response> {
  let { session } = await identifyClient(deps, c);
  if (session === undefined) {
    session = startSession(deps.now());
    writeSession(deps, c, session);
  }
  const { csrfToken } = session;
  const alert = problem === undefined ? html`` : html`<p role="alert">${problem}</p>`;
  const shown = forms.map((fields) =>
    html`<form method="post" action="${action}">
<input type="hidden" name="code" value="${code}">
<input type="hidden" name="_csrf_token" value="${csrfToken}">${fields}
</form>`
  );
  const body = html`${alert}${intro}${shown}`;
  return showPage(c, title, body, problem === undefined ? 200 : 400);
}

/** The form that was sent, by the page that this site had shown. @throws {AppError} `csrf_failed`, `invalid_request` */
export async function readPost(deps: Deps, c: Context): Promise<{ values: URLSearchParams; client: Client }> {
  const values = await readForm(c.req.raw);
  const client = await identifyClient(deps, c);
  if (!client.byToken) checkCsrf(client.session, c, values.get("_csrf_token") ?? undefined);
  return { values, client };
}

/** The code in the address. */
export const codeOf = (c: Context) => c.req.query("code") ?? "";

export function originOf({ origin }: Client["actor"]): Pick<Client["actor"], "origin"> {
  return origin === undefined ? {} : { origin };
}

/** Runs `answer`; failures are told in words, as a page. */
export async function answerPage(
  deps: Deps,
  c: Context,
  title: string,
  answer: () => Promise<Response>,
): Promise<Response> {
  try {
    if (deps.config.REGISTRY_STATE === "readonly") {
      throw new AppError("registry_readonly", "The registry is read-only at the moment. Try again later.");
    }
    return await answer();
  } catch (error) {
    const seen = error instanceof BodyTooLarge
      ? new AppError("invalid_request", "The form is too long")
      : asAppError(error);
    if (!(seen instanceof AppError)) {
      deps.log.error("page failed", { error, path: c.req.path });
      return showPage(
        c,
        title,
        html`<p role="alert">Something went wrong here. It has been recorded.</p>`,
        500,
      );
    }
    const body = html`
      <p role="alert">${seen.publicMessage}</p>
      <p><a href="/">Go on</a></p>
    `;
    return showPage(c, title, body, STATUS[seen.code] ?? 400);
  }
}

const STATUS: Readonly<Partial<Record<AppError["code"], ContentfulStatusCode>>> = {
  unauthenticated: 401,
  invalid_credentials: 403,
  insufficient_scope: 403,
  csrf_failed: 403,
  not_found: 404,
  feature_disabled: 404,
  too_many_attempts: 429,
  registry_readonly: 503,
  database_unavailable: 503,
};

import type { PreparedAuthorization } from "../../domain/oauth_authorization.ts";
import { describeScopes, type ScopeInfo } from "../../domain/oauth_scopes.ts";
import { escapeHtml } from "../../lib/html.ts";
import { hiddenFields, type Page } from "./page.ts";

/** Asks the person who is signed in whether the application may act for them. */
export function consentPage(
  { request, application, scopes, responseType }: PreparedAuthorization,
  options: { registryTitle: string; username: string; csrfToken: string },
): Page {
  const asked = describeScopes(scopes);
  const dangerous = asked.some((scope) => scope.dangerous);
  const name = escapeHtml(application.name);
  const owner = application.ownerIsOrganization ? "organization" : "user";
  const fields = hiddenFields({
    _csrf_token: options.csrfToken,
    client_id: request.clientId,
    redirect_uri: request.redirectUri,
    scope: request.scope,
    response_type: responseType,
    state: request.state,
    assignment_uuid: request.assignmentUuid,
  });
  const body = `<h1>${name} asks to act for you</h1>` +
    `<p>You are signed in to ${escapeHtml(options.registryTitle)} as <strong>${
      escapeHtml(options.username)
    }</strong>. ` +
    `The application <strong>${name}</strong> of the ${owner} <strong>${
      escapeHtml(application.ownerName)
    }</strong> ` +
    `would be able to:</p>` +
    (application.description === "" ? "" : `<p class="quiet">${escapeHtml(application.description)}</p>`) +
    `<ul class="scopes">${asked.map(scopeItem).join("")}</ul>` +
    (dangerous
      ? `<p class="warning">Some of this gives the application control over accounts. Allow it only if you trust it ` +
        `as much as yourself.</p>`
      : "") +
    `<p class="quiet">It never gets more than your own rights. You can take it back in your account settings. ` +
    `You will be sent to <strong>${escapeHtml(placeOf(request.redirectUri))}</strong>.</p>` +
    `<form method="post" action="/oauth/authorizeapp">${fields}<div class="buttons">` +
    `<button type="submit">Authorize application</button>` +
    `<button type="submit" class="plain" formaction="/oauth/denyapp">Cancel</button></div></form>`;
  return { title: `Authorize ${application.name}`, body };
}

function scopeItem({ scope, title, description, dangerous }: ScopeInfo): string {
  const mark = dangerous ? ` <span class="warning">Dangerous</span>` : "";
  return `<li class="${dangerous ? "dangerous" : "scope"}" data-scope="${escapeHtml(scope)}"><strong>${
    escapeHtml(title)
  }</strong>${mark}<br><span class="quiet">${escapeHtml(description)}</span></li>`;
}

/** Host, or scheme where there is none. */
function placeOf(uri: string): string {
  const { host, protocol } = new URL(uri);
  return host || protocol;
}

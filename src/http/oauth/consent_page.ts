import type { PreparedAuthorization } from "../../domain/oauth/authorization.ts";
import { describeScopes, type ScopeInfo } from "../../domain/oauth/scopes.ts";
import { hiddenFields, type Html, html, type Page } from "../web/page.ts";

/** Asks the person who is signed in whether the application may act for them. */
export function consentPage(
  { request, application, scopes, responseType }: PreparedAuthorization,
  options: { registryTitle: string; username: string; csrfToken: string },
): Page {
  const { name, description, ownerName } = application;
  const asked = describeScopes(scopes);
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
  const about = description === "" ? [] : html`<p class="quiet">${description}</p>`;
  const warning = asked.some(({ dangerous }) => dangerous)
    ? html`
      <p
        class="warning">Some of this gives the application control over accounts. Allow it only if you trust it as much
      as yourself.</p>
    `
    : [];
  const body = html`
    <h1>${name} asks to act for you</h1>
    <p>You are signed in to ${options.registryTitle} as <strong>${options.username}</strong>. The application
    <strong>${name}</strong> of the ${owner} <strong>${ownerName}</strong> would be able to:</p>
    ${about}
    <ul class="scopes">${asked.map(scopeItem)}</ul>
    ${warning}
    <p
      class="quiet">It never gets more than your own rights. You can take it back in your account settings. You will be
    sent to <strong>${placeOf(request.redirectUri)}</strong>.</p>
    <form method="post" action="/oauth/authorizeapp">${fields}<div class="buttons">
    <button type="submit">Authorize application</button>
    <button type="submit" class="plain" formaction="/oauth/denyapp">Cancel</button></div></form>
  `;
  return { title: `Authorize ${name}`, body };
}

function scopeItem({ scope, title, description, dangerous }: ScopeInfo): Html {
  const mark = dangerous
    ? html`
      <span class="warning">Dangerous</span>
    `
    : [];
  return html`
    <li class="${dangerous
      ? "dangerous"
      : "scope"}" data-scope="${scope}"><strong>${title}</strong>${mark}<br>
    <span class="quiet">${description}</span></li>
  `;
}

/** Host, or scheme where there is none. */
function placeOf(uri: string): string {
  const { host, protocol } = new URL(uri);
  return host || protocol;
}

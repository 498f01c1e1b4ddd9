import { html, messagePage, type Page } from "../web/page.ts";

/** The token never leaves the browser: it is in the address's fragment, which no server sees. */
const SCRIPT = `
const found = new URLSearchParams(location.hash.slice(1));
const token = found.get("access_token");
if (token !== null) {
  document.getElementById("token").textContent = token;
  document.getElementById("scope").textContent = (found.get("scope") || "").split(" ").join(", ");
  document.getElementById("given").hidden = false;
  document.getElementById("missing").hidden = true;
  history.replaceState(null, "", location.pathname);
}
`;

/** The registry's own redirect address (`LOCAL_OAUTH_HANDLER`): shows the token to the person who asked for it. */
export function localPage(error: string | undefined): Page {
  if (error !== undefined) {
    return messagePage("Authorization canceled", "No token was issued. You can close this page.");
  }
  const body = html`
    <h1>Access token</h1>
    <div id="given" hidden><p>Your access token has been generated:</p><output id="token"></output>
    <p class="quiet">Scope: <span id="scope"></span></p>
    <p class="warning">Keep it like a password. It cannot be shown again.</p></div>
    <p id="missing">There is no token in this page's address.</p>
    <noscript><p>Without scripts this page cannot show the token: it is in the address of this page, after
    <strong>access_token=</strong>.</p></noscript>
  `;
  return { title: "Access token", body, script: SCRIPT };
}

import { hiddenFields, html, type Page } from "../web/page.ts";

/** Asks a browser who it is before it goes on to the consent page. */
export function signInPage(options: {
  registryTitle: string;
  csrfToken: string;
  /** Query of `/oauth/authorize`, where it goes on. */
  returnTo: string;
  username?: string | undefined;
  /** What was wrong with the last attempt. */
  problem?: string | undefined;
}): Page {
  const { registryTitle, csrfToken, returnTo, username = "", problem } = options;
  const alert = problem === undefined ? [] : html`<p class="warning" role="alert">${problem}</p>`;
  const body = html`
    <h1>Sign in to ${registryTitle}</h1>
    <p>An application asks to act for you. Sign in to see what it wants.</p>
    ${alert}
    <form method="post" action="/oauth/signin">${hiddenFields({
      _csrf_token: csrfToken,
      return_to: returnTo,
    })}
    <label for="username">User name or e-mail address</label>
    <input id="username" name="username" type="text" value="${username}" autocomplete="username" autocapitalize="none"
      required autofocus>
    <label for="password">Password</label>
    <input id="password" name="password" type="password" autocomplete="current-password" required>
    <div class="buttons"><button type="submit">Sign in</button></div></form>
  `;
  return { title: `Sign in to ${registryTitle}`, body };
}

/** The mails that accounts cause. Their links lead to `http/web/mail_links.ts`. */
import type { Mail } from "../../drivers/mail/driver.ts";
import { escapeHtml } from "../../lib/html.ts";
import type { Deps } from "../deps.ts";

type MailDeps = Pick<Deps, "config" | "mail">;

export function sendConfirmationMail(
  deps: MailDeps,
  to: string,
  username: string,
  code: string,
): Promise<void> {
  return deps.mail.send(compose(deps, {
    to,
    subject: "Please confirm your e-mail address",
    lines: [
      `The account ${username} was created with this e-mail address.`,
      "Follow this link to confirm the address and to use the account:",
    ],
    link: `/confirm?code=${code}`,
    unexpected: "If you did not create it, there is nothing to do: without the link it cannot be used.",
  }));
}

export function sendAddressChangeMail(
  deps: MailDeps,
  to: string,
  username: string,
  code: string,
): Promise<void> {
  return deps.mail.send(compose(deps, {
    to,
    subject: "Please confirm your new e-mail address",
    lines: [
      `The user ${username} wants to be reached at this e-mail address.`,
      "Follow this link to confirm it:",
    ],
    link: `/confirm?code=${code}`,
    unexpected: "If that is not you, there is nothing to do: nothing has changed.",
  }));
}

export function sendPasswordChangedMail(deps: MailDeps, to: string, username: string): Promise<void> {
  return deps.mail.send(compose(deps, {
    to,
    subject: "Your password was changed",
    lines: [`The password of the account ${username} was changed just now.`],
    unexpected: "If that was not you, ask an administrator of the registry at once.",
  }));
}

export function sendRecoveryMail(deps: MailDeps, to: string, username: string, code: string): Promise<void> {
  return deps.mail.send(compose(deps, {
    to,
    subject: "Recover your account",
    lines: [
      `Somebody asked to recover the account ${username}.`,
      `Follow this link within ${deps.config.USER_RECOVERY_TOKEN_LIFETIME} to set a new password:`,
    ],
    link: `/recovery?code=${code}`,
    unexpected: "If that was not you, there is nothing to do: nothing has changed.",
  }));
}

/** Organizations have no password: who administers it is what their mailbox can be told. */
export function sendOrganizationRecoveryMail(
  deps: MailDeps,
  to: string,
  organization: string,
  administrators: readonly string[],
): Promise<void> {
  return deps.mail.send(compose(deps, {
    to,
    subject: `The organization ${organization}`,
    lines: [
      `Somebody asked to recover the organization ${organization}. Nobody signs in as an organization: one of its ` +
      "administrators can help:",
      administrators.join(", "),
    ],
    unexpected: "If that was not you, there is nothing to do.",
  }));
}

export function sendTeamInviteMail(
  deps: MailDeps,
  to: string,
  invite: { inviter: string; organization: string; team: string; code: string },
): Promise<void> {
  const { inviter, organization, team, code } = invite;
  return deps.mail.send(compose(deps, {
    to,
    subject: `Invitation to the team ${team} of ${organization}`,
    lines: [
      `${inviter} invites you to the team ${team} of the organization ${organization}.`,
      "Follow this link to join it:",
    ],
    link: `/confirminvite?code=${code}`,
    unexpected: "If you do not know what this is about, there is nothing to do.",
  }));
}

export function sendRepositoryMailAuthorization(
  deps: MailDeps,
  to: string,
  repository: { namespace: string; name: string },
  code: string,
): Promise<void> {
  const path = `${repository.namespace}/${repository.name}`;
  return deps.mail.send(compose(deps, {
    to,
    subject: `Notifications of ${path}`,
    lines: [
      `An administrator of the repository ${path} wants to send notifications to this e-mail address.`,
      "Follow this link to allow it:",
    ],
    link: `/authrepoemail?code=${code}`,
    unexpected: "If you do not want them, there is nothing to do.",
  }));
}

/** @param result.url null when the export failed */
export function sendLogExportMail(
  deps: MailDeps,
  to: string,
  { exportId, url, lifetimeS }: { exportId: string; url: string | null; lifetimeS: number },
): Promise<void> {
  const done = url === null
    ? ["It could not be made. Ask for it again, or for fewer days at once."]
    : [`It can be fetched for ${Math.round(lifetimeS / 60)} minutes at`, url];
  return deps.mail.send(compose(deps, {
    to,
    subject: url === null ? "The export of the log failed" : "The log was exported",
    lines: [`You asked for an export of the action log (${exportId}).`, ...done],
    unexpected: "If you did not ask for it, tell an administrator of the registry.",
  }));
}

function compose(
  { config }: Pick<Deps, "config">,
  { to, subject, lines, link, unexpected }: {
    to: string;
    subject: string;
    lines: readonly string[];
    /** Path and query below the registry's address. */
    link?: string;
    unexpected: string;
  },
): Mail {
  const base = `${config.PREFERRED_URL_SCHEME}://${config.SERVER_HOSTNAME}`;
  const url = link === undefined ? [] : [`${base}${link}`];
  const from = `This mail was sent by the registry ${config.REGISTRY_TITLE} at ${base}`;
  const paragraph = (text: string) => `<p>${escapeHtml(text)}</p>`;
  return {
    to,
    subject: `${config.REGISTRY_TITLE}: ${subject}`,
    text: [...lines, ...url, unexpected, "-- ", from].join("\n\n").replace("-- \n\n", "-- \n") + "\n",
    html: [
      ...lines.map(paragraph),
      ...url.map((address) => `<p><a href="${escapeHtml(address)}">${escapeHtml(address)}</a></p>`),
      paragraph(unexpected),
      `<hr><p><small>${escapeHtml(from)}</small></p>`,
    ].join("\n"),
  };
}

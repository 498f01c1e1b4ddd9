import type { Config } from "../../src/config/schema.ts";
import type { Mail } from "../../src/drivers/mail/driver.ts";
import { RecordedMail } from "../database.ts";
import { type Site, withEmptySite, withSite } from "../api/site.ts";

/** As `withSite` where mails are sent, and what was sent. */
export function withMailedSite(
  config: Partial<Config>,
  test: (site: Site, mailbox: Mailbox) => Promise<void>,
): Promise<void> {
  return withSite({ FEATURE_MAILING: true, ...config }, (site) => test(site, new Mailbox(site)));
}

/** The same without anybody. */
export function withMailedEmptySite(
  config: Partial<Config>,
  test: (site: Site, mailbox: Mailbox) => Promise<void>,
): Promise<void> {
  return withEmptySite({ FEATURE_MAILING: true, ...config }, (site) => test(site, new Mailbox(site)));
}

export class Mailbox {
  readonly #mail: RecordedMail;

  constructor({ deps }: Site) {
    if (!(deps.mail instanceof RecordedMail)) throw new Error("this site sends real mail");
    this.#mail = deps.mail;
  }

  get sent(): readonly Mail[] {
    return this.#mail.sent;
  }

  /** The next mail to that address that has not been read; it may be on its way. */
  async next(to: string): Promise<Mail> {
    for (let tries = 0; tries < 200; tries++) {
      const at = this.#mail.sent.findIndex((mail) => mail.to === to);
      const [mail] = at < 0 ? [] : this.#mail.sent.splice(at, 1);
      if (mail !== undefined) return mail;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`no mail to ${to}: ${this.#mail.sent.map((mail) => mail.to).join(", ")}`);
  }

  /** The address that the next mail links to, without scheme and host. */
  async nextLink(to: string): Promise<string> {
    const { text, html = "" } = await this.next(to);
    const [, path] = /https?:\/\/registry\.test(\/\S+)/.exec(text) ?? [];
    if (path === undefined) throw new Error(`no link in ${text}`);
    if (!html.includes(path.replaceAll("&", "&amp;"))) throw new Error(`another link in ${html}`);
    return path;
  }
}

/** Kinds and metadata of the action log of that account, oldest first. */
export async function logOf({ deps }: Site, namespace: string) {
  return await deps.sql<{ kind: string; performer: string | null; metadata: Record<string, unknown> }[]>`
    select k.name as kind, p.username as performer, l.metadata_json::json as metadata
    from logentry3 l join logentrykind k on k.id = l.kind_id join "user" a on a.id = l.account_id
      left join "user" p on p.id = l.performer_id
    where a.username = ${namespace} order by l.id`;
}

/** Only the kinds. */
export async function kindsOf(site: Site, namespace: string): Promise<string[]> {
  return (await logOf(site, namespace)).map(({ kind }) => kind);
}

/** One message to one person. Addresses have been checked by the caller. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  /** For people who read plain text; always there. */
  readonly text: string;
  readonly html?: string;
}

/** Takes mails to where they are delivered (`MAIL_SERVER`). */
export interface MailDriver {
  /** Resolves when the server has taken the message. @throws {AppError} `mail_failed` in words for the operator */
  send(mail: Mail, signal?: AbortSignal): Promise<void>;
}

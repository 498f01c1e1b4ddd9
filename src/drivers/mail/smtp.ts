import { connect, type Socket } from "node:net";
import type { Config } from "../../config/schema.ts";
import { AppError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Mail, MailDriver } from "./driver.ts";

type SmtpConfig = Pick<
  Config,
  | "MAIL_SERVER"
  | "MAIL_PORT"
  | "MAIL_USE_TLS"
  | "MAIL_USE_AUTH"
  | "MAIL_USERNAME"
  | "MAIL_PASSWORD"
  | "MAIL_DEFAULT_SENDER"
  | "MAIL_FAIL_SILENTLY"
>;

/** A mail server that takes longer for a whole message is as good as down. */
const SEND_TIMEOUT_MS = 30_000;
const SILENCE_TIMEOUT_MS = 15_000;
/** RFC 8314: TLS from the first byte, no STARTTLS. */
const SUBMISSIONS_PORT = 465;

/**
 * SMTP (RFC 5321, STARTTLS RFC 3207): one connection a message, since mails are few. With `MAIL_USE_TLS` a server without
 * STARTTLS, or whose certificate does not fit its name, gets nothing.
 * @param ca certificates to trust beside the system's, PEM
 */
export function createSmtpDriver(
  { config, log, ca, timeoutMs = SEND_TIMEOUT_MS }: {
    config: SmtpConfig;
    log: Logger;
    ca?: readonly string[];
    timeoutMs?: number;
  },
): MailDriver {
  return {
    async send(mail, signal) {
      const limit = AbortSignal.timeout(timeoutMs);
      try {
        await deliver(config, mail, signal === undefined ? limit : AbortSignal.any([signal, limit]), ca);
      } catch (error) {
        const failure = explain(error, limit.aborted);
        // With what the server said, which nobody else is told.
        log.warn("a mail could not be sent", { error: failure });
        if (!config.MAIL_FAIL_SILENTLY) throw failure;
      }
    },
  };
}

/** Of a site without mail (`FEATURE_MAILING: false`): whoever wants to send is told so. */
export function createNoMail(): MailDriver {
  return {
    send: () =>
      Promise.reject(
        new AppError(
          "mail_failed",
          "This registry sends no mail: FEATURE_MAILING is false in its config.yaml.",
        ),
      ),
  };
}

async function deliver(
  config: SmtpConfig,
  { to, subject, text, html }: Mail,
  signal: AbortSignal,
  ca: readonly string[] | undefined,
): Promise<void> {
  // A comma or bracket would make more recipients of one.
  if (!/^[^\s\p{Cc}<>,;"]+@[^\s\p{Cc}<>,;"]+$/u.test(to)) throw new BadRecipient("not one plain address");
  // Most nodes never send one.
  const { createTransport } = await import("nodemailer");
  const { MAIL_SERVER: host, MAIL_PORT: port } = config;
  // The library asks DNS itself, past /etc/hosts; the system's resolver knows both.
  const connection = await open(host, port, signal);
  try {
    const transport = createTransport({
      host,
      port,
      connection,
      secure: port === SUBMISSIONS_PORT,
      requireTLS: config.MAIL_USE_TLS,
      ignoreTLS: !config.MAIL_USE_TLS,
      ...(ca === undefined || ca.length === 0 ? {} : { tls: { ca: [...ca] } }),
      greetingTimeout: SILENCE_TIMEOUT_MS,
      socketTimeout: SILENCE_TIMEOUT_MS,
      disableFileAccess: true,
      disableUrlAccess: true,
      ...(config.MAIL_USE_AUTH
        ? { auth: { user: config.MAIL_USERNAME ?? "", pass: config.MAIL_PASSWORD ?? "" } }
        : {}),
    });
    await transport.sendMail({
      from: config.MAIL_DEFAULT_SENDER,
      to: { name: "", address: to },
      // Its own line breaks are folded by the library; one of ours would only look broken.
      subject: subject.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " "),
      text,
      ...(html === undefined ? {} : { html }),
      headers: { "Auto-Submitted": "auto-generated" },
      signal,
    });
  } finally {
    connection.destroy();
  }
}

/** Tries the addresses of `host` in turn. */
function open(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, autoSelectFamily: true });
    const stop = (error: unknown) => {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      reject(error);
    };
    const onAbort = () => stop(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("error", stop);
    socket.once("connect", () => {
      signal.removeEventListener("abort", onAbort);
      socket.off("error", stop);
      resolve(socket);
    });
    if (signal.aborted) onAbort();
  });
}

class BadRecipient extends Error {}

/** Words for `code` of the library and of sockets; what the server itself said stays in the cause. */
const REASONS: Readonly<Record<string, string>> = {
  EAUTH: "the mail server refused MAIL_USERNAME and MAIL_PASSWORD",
  EENVELOPE: "the mail server refused the sender (MAIL_DEFAULT_SENDER) or the recipient",
  EMESSAGE: "the mail server refused the message",
  ETLS:
    "no encrypted connection with the mail server came about (MAIL_USE_TLS: its STARTTLS and certificate)",
  ENOTFOUND: "the name of the mail server is not known (MAIL_SERVER)",
  EAI_AGAIN: "the name of the mail server is not known (MAIL_SERVER)",
  ECONNREFUSED: "nothing listens at the mail server's port (MAIL_SERVER, MAIL_PORT)",
  EHOSTUNREACH: "the mail server cannot be reached (MAIL_SERVER)",
  ENETUNREACH: "the mail server cannot be reached (MAIL_SERVER)",
};

function explain(error: unknown, timedOut: boolean): AppError {
  const { code: told, message } = error as { code?: unknown; message?: unknown };
  // Deno says it in words only.
  const code = told === "ESOCKET" && /certificate/i.test(String(message)) ? "ETLS" : told;
  const reason = error instanceof BadRecipient
    ? "the recipient is not one plain e-mail address"
    : timedOut || code === "ETIMEDOUT"
    ? "the mail server did not answer in time"
    : typeof code === "string" && code in REASONS
    ? REASONS[code]
    : "the connection with the mail server broke";
  return new AppError("mail_failed", `The mail could not be sent: ${reason}.`, {}, { cause: error });
}

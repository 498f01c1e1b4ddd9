import { expect } from "@std/testing";
import { defaultConfig } from "../../src/config/schema.ts";
import type { Config } from "../../src/config/schema.ts";
import { createNoMail, createSmtpDriver } from "../../src/drivers/mail/smtp.ts";
import { AppError } from "../../src/lib/errors.ts";
import { silentLogger } from "../database.ts";
import { makeCertificate } from "../serve/certificate.ts";
import { withSmtpServer } from "./smtp_server.ts";

const MAIL = { to: "alice@example.org", subject: "Hello", text: "Plain words.\n" };

function driver(
  port: number,
  config: Partial<Config> = {},
  options: { ca?: readonly string[]; timeoutMs?: number } = {},
) {
  return createSmtpDriver({
    config: {
      ...defaultConfig(),
      MAIL_SERVER: "localhost",
      MAIL_PORT: port,
      MAIL_USE_TLS: false,
      MAIL_DEFAULT_SENDER: "registry@example.org",
      ...config,
    },
    log: silentLogger,
    ...options,
  });
}

async function failureOf(sending: Promise<void>): Promise<AppError> {
  const error = await sending.then(() => undefined, (error) => error);
  expect(error).toBeInstanceOf(AppError);
  expect(error.code).toBe("mail_failed");
  return error;
}

Deno.test("send() takes text and html to the server", () =>
  withSmtpServer({ disabledCommands: ["STARTTLS", "AUTH"] }, async (port, received) => {
    await driver(port).send({ ...MAIL, subject: "Grüße", html: "<p>Marked-up words.</p>" });
    expect(received.length).toBe(1);
    const [mail] = received;
    expect(mail?.from).toBe("registry@example.org");
    expect(mail?.to).toEqual(["alice@example.org"]);
    expect(mail?.raw).toContain("Plain words.");
    expect(mail?.raw).toContain("<p>Marked-up words.</p>");
    expect(mail?.raw).toContain("multipart/alternative");
    expect(mail?.raw).toContain("Subject: =?UTF-8?");
    expect(mail?.raw).toContain("Auto-Submitted: auto-generated");
  }));

Deno.test("send() uses STARTTLS and signs in when told to", async () => {
  const { cert, key } = await makeCertificate("localhost");
  await withSmtpServer({
    cert,
    key,
    onAuth({ username, password }, _session, done) {
      if (username === "mailer" && password === "mail-password") done(null, { user: username });
      else done(new Error("no"));
    },
  }, async (port, received) => {
    const secure = { MAIL_USE_TLS: true, MAIL_USE_AUTH: true, MAIL_USERNAME: "mailer" };
    await driver(port, { ...secure, MAIL_PASSWORD: "mail-password" }, { ca: [cert] }).send(MAIL);
    expect(received.map(({ secure, user }) => ({ secure, user }))).toEqual([{
      secure: true,
      user: "mailer",
    }]);

    const wrong = await failureOf(
      driver(port, { ...secure, MAIL_PASSWORD: "not-this" }, { ca: [cert] }).send(MAIL),
    );
    expect(wrong.publicMessage).toContain("MAIL_USERNAME and MAIL_PASSWORD");
    expect(received.length).toBe(1);
  });
});

Deno.test("send() gives nothing to a server whose certificate nobody vouches for", async () => {
  const { cert, key } = await makeCertificate("localhost");
  await withSmtpServer({ cert, key }, async (port, received) => {
    const failure = await failureOf(driver(port, { MAIL_USE_TLS: true }).send(MAIL));
    expect(failure.publicMessage).toContain("no encrypted connection");
    expect(received).toEqual([]);
  });
});

Deno.test("send() gives nothing to a server without STARTTLS when MAIL_USE_TLS is set", () =>
  withSmtpServer({ disabledCommands: ["STARTTLS", "AUTH"] }, async (port, received) => {
    const failure = await failureOf(driver(port, { MAIL_USE_TLS: true }).send(MAIL));
    expect(failure.publicMessage).toContain("no encrypted connection");
    expect(received).toEqual([]);
  }));

Deno.test("send() makes no header and no second recipient of what it is given", () =>
  withSmtpServer({ disabledCommands: ["STARTTLS", "AUTH"] }, async (port, received) => {
    await driver(port).send({ ...MAIL, subject: "Hi\r\nBcc: eve@example.org\r\n\r\nbody" });
    expect(received[0]?.to).toEqual(["alice@example.org"]);
    const head = received[0]?.raw.split("\r\n\r\n", 1)[0] ?? "";
    expect(head.split("\r\n").filter((line) => /^bcc:/i.test(line))).toEqual([]);
    for (
      const to of [
        "alice@example.org, eve@example.org",
        "alice@example.org>\r\nRCPT TO:<eve@example.org",
        "Alice <alice@example.org>",
        "alice",
        "",
      ]
    ) {
      expect((await failureOf(driver(port).send({ ...MAIL, to }))).publicMessage).toContain("plain e-mail");
    }
    expect(received.length).toBe(1);
  }));

Deno.test("send() says that the server refused the recipient, without the server's words", () =>
  withSmtpServer({
    disabledCommands: ["STARTTLS", "AUTH"],
    onRcptTo: (_address, _session, done) => done(new Error("internal gossip of the mail server")),
  }, async (port) => {
    const failure = await failureOf(driver(port).send(MAIL));
    expect(failure.publicMessage).toContain("refused the sender (MAIL_DEFAULT_SENDER) or the recipient");
    expect(failure.publicMessage).not.toContain("gossip");
    expect(String((failure.cause as Error).message)).toContain("gossip");
  }));

Deno.test("send() gives up on a server that says nothing, and when it is told to", async () => {
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of silent) taken.push(connection);
  })();
  try {
    const { port } = silent.addr as Deno.NetAddr;
    const late = await failureOf(driver(port, {}, { timeoutMs: 100 }).send(MAIL));
    expect(late.publicMessage).toContain("did not answer in time");
    const stop = new AbortController();
    const sending = failureOf(driver(port).send(MAIL, stop.signal));
    stop.abort();
    await sending;
  } finally {
    silent.close();
    await accepting;
    for (const connection of taken) connection.close();
  }
});

Deno.test("send() names what to look at when nothing listens", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const failure = await failureOf(driver(port, { MAIL_SERVER: "127.0.0.1" }).send(MAIL));
  expect(failure.publicMessage).toContain("MAIL_SERVER, MAIL_PORT");
  // "Only log mail that could not be sent."
  await driver(port, { MAIL_SERVER: "127.0.0.1", MAIL_FAIL_SILENTLY: true }).send(MAIL);
});

Deno.test("send() refuses where mail is off", async () => {
  expect((await failureOf(createNoMail().send(MAIL))).publicMessage).toContain("FEATURE_MAILING is false");
});

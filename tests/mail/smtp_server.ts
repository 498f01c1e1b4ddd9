import type { Buffer } from "node:buffer";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";

/** A message as it came over the wire. */
export interface Received {
  readonly from: string;
  readonly to: readonly string[];
  readonly raw: string;
  readonly secure: boolean;
  readonly user: string | undefined;
}

/** A real SMTP server on a loopback port, for as long as `fn` runs. */
export async function withSmtpServer(
  options: SMTPServerOptions,
  fn: (port: number, received: Received[]) => Promise<void>,
): Promise<void> {
  const received: Received[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    // Not waiting for clients that hang: there is one that is made to.
    closeTimeout: 200,
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        received.push({
          from: session.envelope.mailFrom ? session.envelope.mailFrom.address : "",
          to: session.envelope.rcptTo.map(({ address }) => address),
          raw: chunks.map((chunk) => chunk.toString("latin1")).join(""),
          secure: session.secure,
          user: session.user === undefined ? undefined : String(session.user),
        });
        done();
      });
    },
    ...options,
  });
  server.on("error", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  try {
    const { port } = server.server.address() as { port: number };
    await fn(port, received);
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

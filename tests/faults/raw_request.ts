/** What a raw connection answered: the first response's status and everything that came. */
export interface RawAnswer {
  /** 0 when the connection ended without an answer. */
  readonly status: number;
  readonly text: string;
}

const PATIENCE_MS = 15_000;

/** Sends bytes as they are and reads until the server closes, or has answered and falls silent. */
export async function sendRaw(
  url: string,
  parts: Iterable<string | Uint8Array>,
  { half = false }: { half?: boolean } = {},
): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const reader = readAll(connection);
  try {
    for (const part of parts) {
      await writeAll(connection, typeof part === "string" ? new TextEncoder().encode(part) : part);
    }
    if (half) await connection.closeWrite();
  } catch {
    // Refused while it was still being sent: the answer says why.
  }
  const text = await reader;
  try {
    connection.close();
  } catch {
    // closed already
  }
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text };
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
}

async function readAll(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(65_536);
  let text = "";
  for (;;) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    // Once it has answered, half a second of silence is the end: there is no second answer to come.
    const silence = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), text === "" ? PATIENCE_MS : 500);
    });
    const count = await Promise.race([connection.read(buffer).catch(() => null), silence]);
    clearTimeout(timer);
    if (count === null) return text;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
}

/** The body of a raw answer whose body is not chunked. */
export function bodyOf({ text }: RawAnswer): string {
  return text.slice(text.indexOf("\r\n\r\n") + 4);
}

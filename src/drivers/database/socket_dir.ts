/** `sockaddr_un` holds 107 bytes; `/.s.PGSQL.5432` takes 15 of them. */
const LONGEST_SOCKET_DIR = 92;

/**
 * Folder of the embedded database's unix socket: `<dataDir>/run`, or one under /run (or the user's own runtime folder)
 * when that path is too long for a socket's address.
 */
export async function socketDirOf(dataDir: string): Promise<string> {
  const dir = `${dataDir}/run`;
  const encoder = new TextEncoder();
  if (encoder.encode(dir).length <= LONGEST_SOCKET_DIR) return dir;
  const base = Deno.uid() === 0 ? "/run" : Deno.env.get("XDG_RUNTIME_DIR") ?? "/tmp";
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(dataDir)));
  return `${base}/quaylet-${
    [...hash.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("")
  }`;
}

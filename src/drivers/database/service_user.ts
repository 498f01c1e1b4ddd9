/** The unprivileged account that PostgreSQL runs as when Quaylet itself is root: PostgreSQL refuses root. */
export interface ServiceUser {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
}

/** `undefined` when this process is not root: then PostgreSQL runs as the same user. */
export async function serviceUser(): Promise<ServiceUser | undefined> {
  if (Deno.uid() !== 0) return undefined;
  const accounts = (await Deno.readTextFile("/etc/passwd")).split("\n").map((line) => line.split(":"));
  for (const name of ["quaylet", "nobody"]) {
    const account = accounts.find(([candidate]) => candidate === name);
    if (account !== undefined) return { name, uid: Number(account[2]), gid: Number(account[3]) };
  }
  throw new Error(
    "PostgreSQL does not run as root, and there is neither a user quaylet nor nobody: make one",
  );
}

/**
 * The program and arguments that run `program` as `user`. When a folder above `paths` keeps that user out (a data
 * folder below /root, say), the right to pass it is kept by `setpriv`, otherwise the kernel drops it with root.
 * @throws {Error} naming the folder when there is no way in
 */
export async function asServiceUser(
  user: ServiceUser | undefined,
  paths: readonly string[],
  program: string,
  args: readonly string[],
): Promise<{ program: string; options: Deno.CommandOptions }> {
  if (user === undefined) return { program, options: { args: [...args] } };
  const barrier = await firstBarrier(user, paths);
  // Deno changes to the folder as that user, who may not be let into ours: root's home, say.
  const cwd = "/";
  if (barrier === undefined) {
    return { program, options: { args: [...args], uid: user.uid, gid: user.gid, cwd } };
  }
  const setpriv = ["/usr/bin/setpriv", "/bin/setpriv"].find((path) => exists(path));
  if (setpriv === undefined) {
    throw new Error(
      `the user ${user.name}, which runs PostgreSQL, cannot pass ${barrier}: choose --data (or QUAYLET_CACHE) elsewhere, or chmod o+x ${barrier}`,
    );
  }
  const rights = ["--reuid", `${user.uid}`, "--regid", `${user.gid}`, "--clear-groups"];
  const caps = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"];
  // initdb looks with access(2) whether it may run its programs, which forgets the right otherwise.
  const bits = ["--securebits", "+no_setuid_fixup"];
  return { program: setpriv, options: { args: [...rights, ...bits, ...caps, "--", program, ...args], cwd } };
}

/** The topmost folder on the way to one of `paths` that `user` may not pass. */
async function firstBarrier(user: ServiceUser, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const parts = path.split("/").slice(1);
    for (let depth = 0; depth < parts.length; depth++) {
      const folder = `/${parts.slice(0, depth).join("/")}`;
      const { mode, uid, gid } = await Deno.stat(folder);
      const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
      if (((mode ?? 0) & bit) === 0) return folder;
    }
  }
  return undefined;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

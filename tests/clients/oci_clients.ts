import assert from "node:assert/strict";

const TOOL = new URL("../tools/oci_clients", import.meta.url).pathname;

export interface OciClients {
  /** Folder with the settings and, in `context`, an image to build. */
  readonly dir: string;
  /** What lets any program run where the clients do: in their network, and with their names. */
  readonly inside: { readonly prefix: readonly string[]; readonly env: Readonly<Record<string, string>> };
  /** Runs a client; its stdout. @throws {AssertionError} with all that it wrote, unless it ended with 0 */
  run(...command: readonly string[]): Promise<string>;
  /** Runs a client that must fail; its stderr. */
  refuse(...command: readonly string[]): Promise<string>;
  /** Trusts the CA (PEM) for `host:port`. */
  trust(registry: string, ca: string): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** podman, skopeo and buildah with storage and settings of their own. `hosts` maps names to addresses. Root only. */
export async function ociClients(
  hosts: Readonly<Record<string, string>>,
  netns?: string,
): Promise<OciClients> {
  // A short path: podman takes no more than 50 characters for its sockets.
  const dir = await Deno.makeTempDir({ dir: "/tmp", prefix: "qoci-" });
  const env: Record<string, string> = netns === undefined ? {} : { OCI_NETNS: netns };
  const call = async (...args: readonly string[]) => {
    const output = await new Deno.Command(TOOL, { args: [...args], env, stdin: "null" }).output();
    const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes));
    return {
      success: output.success,
      stdout: stdout!,
      stderr: stderr!,
      all: `${args.join(" ")}\n${stdout}${stderr}`,
    };
  };
  const must = async (...args: readonly string[]) => {
    const { success, stdout, all } = await call(...args);
    assert.ok(success, all);
    return stdout;
  };
  await must("setup", dir, ...Object.entries(hosts).map(([name, address]) => `${name}=${address}`));
  return {
    dir,
    inside: { prefix: [TOOL, "run", dir], env },
    run: (...command) => must("run", dir, ...command),
    refuse: async (...command) => {
      const { success, stderr, all } = await call("run", dir, ...command);
      assert.ok(!success, `should have failed: ${all}`);
      return stderr;
    },
    trust: async (registry, ca) => {
      await Deno.writeTextFile(`${dir}/ca.pem`, ca);
      await must("trust", dir, registry, `${dir}/ca.pem`);
    },
    [Symbol.asyncDispose]: async () => void await must("remove", dir),
  };
}

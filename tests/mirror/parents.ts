/** Registries to mirror from: Debian's docker-registry, with and without TLS and passwords. */
import { basicHeader } from "../../src/drivers/upstream/authorization.ts";
import { answers } from "../bench/peers.ts";

export interface Parent {
  /** `127.0.0.1:port`, or of the address that was asked for. */
  readonly host: string;
  readonly url: string;
  /** Header for pushing to it. */
  readonly authorization: string | undefined;
  readonly folder: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface ParentOptions {
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly password?: { readonly username: string; readonly password: string };
  /** Where it listens; an IPv6 address in brackets. */
  readonly address?: string;
  /** To start it with, in another network for example: it is not waited for then. */
  readonly inside?: { readonly prefix: readonly string[]; readonly env: Readonly<Record<string, string>> };
}

export async function startParent(options: ParentOptions = {}): Promise<Parent> {
  const folder = await Deno.makeTempDir({ prefix: "quaylet-parent-" });
  const port = freePort();
  const { tls, password, address = "127.0.0.1", inside } = options;
  const host = `${address}:${port}`;
  if (tls !== undefined) {
    await Deno.writeTextFile(`${folder}/cert.pem`, tls.cert);
    await Deno.writeTextFile(`${folder}/key.pem`, tls.key);
  }
  if (password !== undefined) {
    const { stdout } = await new Deno.Command("htpasswd", {
      args: ["-Bbn", "-C", "4", password.username, password.password],
    }).output();
    await Deno.writeFile(`${folder}/htpasswd`, stdout);
  }
  await Deno.writeTextFile(
    `${folder}/config.yml`,
    JSON.stringify({
      version: "0.1",
      log: { level: "error", accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: `${folder}/data` }, delete: { enabled: true } },
      http: {
        addr: host,
        ...(tls && { tls: { certificate: `${folder}/cert.pem`, key: `${folder}/key.pem` } }),
      },
      ...(password && { auth: { htpasswd: { realm: "parent", path: `${folder}/htpasswd` } } }),
    }),
  );
  // Variables of clients' settings that it takes for its own configuration.
  const plainly = ["env", "-u", "REGISTRY_AUTH_FILE"];
  const start = ["docker-registry", "serve", `${folder}/config.yml`];
  const command = inside === undefined ? start : [...inside.prefix, ...plainly, ...start];
  const child = new Deno.Command(command[0] as string, {
    args: command.slice(1),
    stdout: "null",
    stderr: "null",
    env: { ...inside?.env, OTEL_TRACES_EXPORTER: "none" },
  }).spawn();
  const url = `${tls ? "https" : "http"}://${host}`;
  if (inside !== undefined) await listensInside(inside, host);
  else if (tls === undefined && password === undefined) await answers(`${url}/v2/`);
  else await listens(port);
  return {
    host,
    url,
    folder,
    pid: child.pid,
    authorization: password && basicHeader(password),
    async stop() {
      child.kill("SIGTERM");
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function listens(port: number): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error("docker-registry does not listen");
}

async function listensInside(
  { prefix, env }: NonNullable<ParentOptions["inside"]>,
  host: string,
): Promise<void> {
  const ask = 'for _ in $(seq 100); do curl -s -o /dev/null "$0" && exit; sleep 0.1; done; exit 1';
  const command = [...prefix, "sh", "-c", ask, `http://${host}/v2/`];
  const { success, stderr } = await new Deno.Command(command[0] as string, { args: command.slice(1), env })
    .output();
  if (!success) throw new Error(`docker-registry does not listen: ${new TextDecoder().decode(stderr)}`);
}

export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/** Starts one for the length of `fn`. */
export async function withParent(
  options: ParentOptions,
  fn: (parent: Parent) => Promise<void>,
): Promise<void> {
  const parent = await startParent(options);
  try {
    await fn(parent);
  } finally {
    await parent.stop();
  }
}

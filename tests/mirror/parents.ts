/** Registries to mirror from: Debian's docker-registry, with and without TLS and passwords. */
import { basicHeader } from "../../src/drivers/upstream/authorization.ts";
import { answers } from "../bench/peers.ts";

export interface Parent {
  /** `127.0.0.1:port`. */
  readonly host: string;
  readonly url: string;
  /** Header for pushing to it. */
  readonly authorization: string | undefined;
  readonly folder: string;
  stop(): Promise<void>;
}

export interface ParentOptions {
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly password?: { readonly username: string; readonly password: string };
}

export async function startParent(options: ParentOptions = {}): Promise<Parent> {
  const folder = await Deno.makeTempDir({ prefix: "quaylet-parent-" });
  const port = freePort();
  const host = `127.0.0.1:${port}`;
  const { tls, password } = options;
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
  const child = new Deno.Command("docker-registry", {
    args: ["serve", `${folder}/config.yml`],
    stdout: "null",
    stderr: "null",
    env: { OTEL_TRACES_EXPORTER: "none" },
  }).spawn();
  const url = `${tls ? "https" : "http"}://${host}`;
  if (tls === undefined && password === undefined) await answers(`${url}/v2/`);
  else await listens(port);
  return {
    host,
    url,
    folder,
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

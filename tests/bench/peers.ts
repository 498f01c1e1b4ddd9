import { applianceCommand, killTree } from "../appliance.ts";

/** A registry under measurement. */
export interface Peer {
  readonly name: string;
  readonly url: string;
  /** `Authorization` header for pull and push on `repository`; `undefined` where the peer asks for none. */
  authorization(repository: string): Promise<string | undefined>;
  /** The process whose tree is the peer, where this run started it. */
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

const USER = "bench";
const PASSWORD = "bench-password-1";

/**
 * Quaylet as an operator runs it, from the built binary, with its own PostgreSQL, authentication on.
 * @param config contents of config.yaml; the embedded defaults without it
 */
export async function startQuaylet(folder: string, config?: Record<string, unknown>): Promise<Peer> {
  const [program, ...first] = applianceCommand() as [string, ...string[]];
  const child = new Deno.Command(program, {
    args: [
      ...[...first, "serve", "--data", folder, "--log", "json", ...addresses()],
      ...(config === undefined ? [] : ["--config", await writeConfig(folder, config)]),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const url = await firstUrl(child.stdout);
  const response = await fetch(`${url}/api/v1/user/initialize`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username: USER, password: PASSWORD, email: "", access_token: true }),
  });
  if (!response.ok) throw new Error(`initialize: ${response.status} ${await response.text()}`);
  await response.body?.cancel();
  return {
    name: "quaylet",
    url,
    pid: child.pid,
    authorization: async (repository) => {
      const query = new URLSearchParams({
        service: "localhost:8080",
        scope: `repository:${repository}:pull,push`,
      });
      const answer = await fetch(`${url}/v2/auth?${query}`, {
        headers: { Authorization: `Basic ${btoa(`${USER}:${PASSWORD}`)}` },
      });
      if (!answer.ok) throw new Error(`token: ${answer.status} ${await answer.text()}`);
      return `Bearer ${(await answer.json()).token}`;
    },
    stop: () => end(child),
  };
}

async function writeConfig(folder: string, config: Record<string, unknown>): Promise<string> {
  const dir = `${folder}.config`;
  await Deno.mkdir(dir, { recursive: true });
  // JSON is YAML.
  await Deno.writeTextFile(`${dir}/config.yaml`, JSON.stringify(config));
  return dir;
}

function addresses(): string[] {
  return ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
}

/** Debian's docker-registry on the file system, without authentication. */
export async function startDockerRegistry(folder: string, port: number): Promise<Peer> {
  const config = `${folder}/config.yml`;
  await Deno.writeTextFile(
    config,
    JSON.stringify({
      version: "0.1",
      log: { level: "error", accesslog: { disabled: true } },
      storage: {
        filesystem: { rootdirectory: `${folder}/data`, maxthreads: 100 },
        delete: { enabled: true },
      },
      http: { addr: `127.0.0.1:${port}` },
    }),
  );
  const child = new Deno.Command("docker-registry", {
    args: ["serve", config],
    stdout: "null",
    stderr: "null",
    env: { OTEL_TRACES_EXPORTER: "none" },
  }).spawn();
  const url = `http://127.0.0.1:${port}`;
  await answers(`${url}/v2/`);
  return {
    name: "docker-registry",
    url,
    pid: child.pid,
    authorization: () => Promise.resolve(undefined),
    stop: () => end(child),
  };
}

/** A registry that somebody else runs (`--peer NAME=URL`), without authentication. */
export function externalPeer(text: string): Peer {
  const [name, url] = text.split(/=(.*)/s);
  if (!name || !url?.startsWith("http")) throw new RangeError(`--peer takes NAME=URL, not "${text}"`);
  return {
    name,
    url: url.replace(/\/$/, ""),
    pid: undefined,
    authorization: () => Promise.resolve(undefined),
    stop: () => Promise.resolve(),
  };
}

async function end(child: Deno.ChildProcess): Promise<void> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => killTree(child.pid), 40_000);
  await child.status;
  clearTimeout(timer);
}

/** The URL of the http listener from Quaylet's log; the rest of the log is read and dropped. */
function firstUrl(log: ReadableStream<Uint8Array>): Promise<string> {
  return new Promise((resolve, reject) => {
    (async () => {
      let rest = "";
      let url = "";
      for await (const text of log.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          const record = JSON.parse(line);
          if (record.msg === "listening" && record.surface === "http") url = record.url;
          if (record.msg === "ready") resolve(url);
        }
      }
      reject(new Error("quaylet ended"));
    })().catch(reject);
  });
}

export async function answers(url: string, timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      const response = await fetch(url);
      await response.body?.cancel();
      if (response.ok) return;
    } catch {
      // not up yet
    }
    if (performance.now() > deadline) throw new Error(`${url} does not answer`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

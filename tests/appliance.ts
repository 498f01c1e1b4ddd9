/**
 * A running appliance for tests: the built binary when `QUAYLET_BIN` names one, else the sources. It listens on free
 * ports, keeps everything in a temporary folder, and is stopped by whoever started it.
 */
export interface ApplianceOptions {
  /** Contents of config.yaml (JSON is YAML); absent: no config folder at all, the embedded defaults. */
  readonly config?: Record<string, unknown>;
  /** More files of the config folder, e.g. `ssl.cert`, `extra_ca_certs/ours.crt`. */
  readonly configFiles?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly http?: string;
  readonly https?: string;
  readonly metrics?: string;
  /** Reuse the folder of an earlier appliance; it is then not removed by `stop`. */
  readonly dataDir?: string;
  /** Put before the command, e.g. `["ip", "netns", "exec", NAME]`. */
  readonly prefix?: readonly string[];
  readonly args?: readonly string[];
}

export interface Appliance {
  readonly pid: number;
  readonly dataDir: string;
  readonly configDir: string | undefined;
  /** As logged by the listeners, e.g. `http://127.0.0.1:41234`. */
  readonly httpUrl: string;
  readonly httpsUrl: string | undefined;
  readonly metricsUrl: string;
  /** Log records so far. */
  readonly log: readonly Record<string, unknown>[];
  /** Lines of its output that are no log records. */
  readonly otherOutput: readonly string[];
  /** Resolves with the first record, past or future, that `match` accepts. */
  waitForLog(
    match: (record: Record<string, unknown>) => boolean,
    timeoutMs?: number,
  ): Promise<Record<string, unknown>>;
  /** SIGTERM; resolves with the exit status once the process is gone, and removes the temporary folders. */
  stop(): Promise<number>;
  /** `kill -9` of the appliance and everything it started. The data stay. */
  kill(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;

export async function startAppliance(options: ApplianceOptions = {}): Promise<Appliance> {
  const ownDataDir = options.dataDir === undefined;
  const dataDir = options.dataDir ?? await Deno.makeTempDir({ prefix: "quaylet-data-" });
  const configDir = await writeConfig(options);
  const [program, ...first] = [...options.prefix ?? [], ...applianceCommand()] as [string, ...string[]];
  const child = new Deno.Command(program, {
    args: [
      ...first,
      "serve",
      ...["--data", dataDir, "--log", "json"],
      ...(configDir === undefined ? [] : ["--config", configDir]),
      ...["--http", options.http ?? "127.0.0.1:0"],
      ...["--https", options.https ?? "127.0.0.1:0"],
      ...["--metrics", options.metrics ?? "127.0.0.1:0"],
      ...options.args ?? [],
    ],
    env: { ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const records = new RecordReader(child);
  const cleanUp = async () => {
    await records.ended;
    if (ownDataDir) await Deno.remove(dataDir, { recursive: true });
    if (configDir !== undefined) await Deno.remove(configDir, { recursive: true });
  };
  try {
    await records.waitFor((record) => record.msg === "ready", START_TIMEOUT_MS);
  } catch (error) {
    await killTree(child.pid);
    await cleanUp();
    throw new Error(`the appliance did not start: ${error}\n${records.tail()}`);
  }
  const urlOf = (surface: string) =>
    records.all.find((r) => r.msg === "listening" && r.surface === surface)?.url;
  let gone: Promise<number> | undefined;
  const stop = () =>
    gone ??= (async () => {
      child.kill("SIGTERM");
      const { code } = await child.status;
      await cleanUp();
      return code;
    })();
  return {
    pid: child.pid,
    dataDir,
    configDir,
    httpUrl: urlOf("http") as string,
    httpsUrl: urlOf("https") as string | undefined,
    metricsUrl: urlOf("metrics") as string,
    log: records.all,
    otherOutput: records.other,
    waitForLog: (match, timeoutMs = 10_000) => records.waitFor(match, timeoutMs),
    stop,
    kill: async () => {
      await killTree(child.pid);
      await child.status;
      await records.ended;
    },
    [Symbol.asyncDispose]: async () => void await stop(),
  };
}

/** The words that run Quaylet: the built binary, or this checkout under Deno. */
export function applianceCommand(): string[] {
  const binary = Deno.env.get("QUAYLET_BIN");
  if (binary !== undefined) return [binary];
  return [Deno.execPath(), "run", "-A", "--unstable-net", new URL("../main.ts", import.meta.url).pathname];
}

async function writeConfig(options: ApplianceOptions): Promise<string | undefined> {
  if (options.config === undefined && options.configFiles === undefined) return undefined;
  const dir = await Deno.makeTempDir({ prefix: "quaylet-config-" });
  if (options.config !== undefined) {
    await Deno.writeTextFile(`${dir}/config.yaml`, JSON.stringify(options.config));
  }
  for (const [name, content] of Object.entries(options.configFiles ?? {})) {
    const folder = name.split("/").slice(0, -1).join("/");
    await Deno.mkdir(`${dir}/${folder}`, { recursive: true });
    await Deno.writeTextFile(`${dir}/${name}`, content);
  }
  return dir;
}

/** Kills `pid` and its descendants, parents first, so that nothing is restarted in between. */
export async function killTree(pid: number): Promise<void> {
  const children = new Map<number, number[]>();
  for await (const entry of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(entry.name)) continue;
    const stat = await Deno.readTextFile(`/proc/${entry.name}/stat`).catch(() => "");
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    children.set(parent, [...children.get(parent) ?? [], Number(entry.name)]);
  }
  const kill = (target: number) => {
    try {
      Deno.kill(target, "SIGKILL");
    } catch {
      // already gone
    }
    for (const child of children.get(target) ?? []) kill(child);
  };
  kill(pid);
}

/** Collects the JSON log lines of a process, and keeps what is no JSON for the failure message. */
class RecordReader {
  readonly all: Record<string, unknown>[] = [];
  readonly ended: Promise<unknown>;
  readonly other: string[] = [];
  readonly #waiting = new Set<() => void>();
  #closed = false;

  constructor(child: Deno.ChildProcess) {
    this.ended = Promise.all([this.#collect(child.stdout), this.#collect(child.stderr)]).then(() => {
      this.#closed = true;
      for (const wake of this.#waiting) wake();
    });
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#take(line);
      for (const wake of this.#waiting) wake();
    }
    if (rest !== "") this.#take(rest);
  }

  #take(line: string): void {
    try {
      this.all.push(JSON.parse(line));
    } catch {
      this.other.push(line);
    }
  }

  async waitFor(match: (record: Record<string, unknown>) => boolean, timeoutMs: number) {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = this.all.find(match);
      if (found !== undefined) return found;
      const leftMs = deadline - Date.now();
      if (this.#closed || leftMs <= 0) {
        throw new Error(this.#closed ? "it ended" : `nothing within ${timeoutMs} ms`);
      }
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.#waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, leftMs);
        this.#waiting.add(wake);
      });
    }
  }

  tail(): string {
    return [...this.other, ...this.all.slice(-20).map((record) => JSON.stringify(record))].join("\n");
  }
}

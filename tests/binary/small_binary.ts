import { packTree } from "../../scripts/launcher/self_extracting.ts";

export interface SmallBinary {
  readonly path: string;
  readonly dir: string;
  readonly cache: string;
  /** Starts it with that cache; `under` is put before the command. */
  start(under?: readonly string[], cache?: string): Promise<{ code: number; stdout: string; stderr: string }>;
  /** The unpacked tree. */
  tree(): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The real launcher around a small program: a shell script in the place of Deno, and `extraMiB` of noise. */
export async function smallBinary({ extraMiB = 0, commit = "test" } = {}): Promise<SmallBinary> {
  const dir = await Deno.makeTempDir({ prefix: "quaylet-binary-" });
  const tree = `${dir}/tree`;
  await Deno.mkdir(`${tree}/bin`, { recursive: true });
  await Deno.mkdir(`${tree}/postgres`);
  await Deno.writeTextFile(
    `${tree}/bin/quaylet`,
    '#!/bin/sh\necho "ran $QUAYLET_BUILD $QUAYLET_POSTGRES $OTEL_DENO"\n',
  );
  await Deno.writeTextFile(`${tree}/quaylet.js`, `// ${commit}\n`);
  for (let i = 0; i < 50; i++) await Deno.writeTextFile(`${tree}/postgres/file${i}`, `${i}\n`);
  const noise = new Uint8Array(1024 * 1024);
  for (let at = 0; at < noise.length; at += 65536) crypto.getRandomValues(noise.subarray(at, at + 65536));
  for (let i = 0; i < extraMiB; i++) {
    noise[0] = i;
    await Deno.writeFile(`${tree}/postgres/noise`, noise, { append: true });
  }
  const path = `${dir}/quaylet`;
  await packTree(tree, path, { commit });
  await Deno.remove(tree, { recursive: true });
  const cache = `${dir}/cache`;
  return {
    path,
    dir,
    cache,
    async start(under = [], folder = cache) {
      const command = [...under, path];
      const [program = path, ...args] = command;
      const env = { QUAYLET_CACHE: folder };
      const output = await new Deno.Command(program, { args, env, stdin: "null" }).output();
      const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes));
      return { code: output.code, stdout: stdout!, stderr: stderr! };
    },
    async tree() {
      for await (const entry of Deno.readDir(cache)) {
        if (/^[0-9a-f]{32}$/.test(entry.name)) return `${cache}/${entry.name}`;
      }
      throw new Error(`nothing is unpacked in ${cache}`);
    },
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

import assert from "node:assert/strict";

/** The Go clients that the tests run, each at one version. */
export const GO_TOOLS = {
  crane: "github.com/google/go-containerregistry/cmd/crane@v0.22.1",
  regctl: "github.com/regclient/regclient/cmd/regctl@v0.11.7",
  oras: "oras.land/oras/cmd/oras@v1.3.6",
  helm: "helm.sh/helm/v3/cmd/helm@v3.22.0",
  cosign: "github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5",
} as const;

/** Oldest Go that builds them all, as a need of a test. */
export const RECENT_GO = "go 1.26.7";

export type GoTool = keyof typeof GO_TOOLS;

/** Go's tools with a home of their own: what they remember of one registry does not reach the next test. */
export interface GoTools {
  /** Working directory of the tools. */
  readonly dir: string;
  /** Runs one to its end. @returns stdout @throws {AssertionError} with its output when it fails or complains */
  run(tool: GoTool, ...args: string[]): Promise<string>;
  /** Like `run` for what must not work. @returns stdout and stderr */
  fail(tool: GoTool, ...args: string[]): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** @param ca PEM of the CA that the tools are to trust */
export async function goTools(tools: readonly GoTool[], ca?: string): Promise<GoTools> {
  const paths = new Map<GoTool, string>();
  for (const tool of tools) paths.set(tool, await build(tool));
  const dir = await Deno.makeTempDir({ prefix: "quaylet-go-tools-" });
  const env: Record<string, string> = {
    HOME: dir,
    DOCKER_CONFIG: `${dir}/docker`,
    XDG_CACHE_HOME: `${dir}/cache`,
    // Its keys have no password; it stores signatures as referrers only as an experiment.
    COSIGN_PASSWORD: "",
    COSIGN_EXPERIMENTAL: "1",
  };
  if (ca !== undefined) {
    await Deno.writeTextFile(`${dir}/ca.crt`, ca);
    env.SSL_CERT_FILE = `${dir}/ca.crt`;
  }
  const output = async (tool: GoTool, args: string[]) => {
    const program = paths.get(tool) as string;
    const { success, stdout, stderr } = await new Deno.Command(program, { args, cwd: dir, env }).output();
    const decoder = new TextDecoder();
    const [out, err] = [decoder.decode(stdout), decoder.decode(stderr)];
    return { success, out, err, why: `${tool} ${args.join(" ")}\n${out}${err}` };
  };
  return {
    dir,
    async run(tool, ...args) {
      const { success, out, err, why } = await output(tool, args);
      assert.ok(success, why);
      // Go's HTTP client prints what a server does against the protocol and goes on.
      assert.doesNotMatch(err, /protocol error|Unsolicited response/, why);
      return out;
    },
    async fail(tool, ...args) {
      const { success, out, err, why } = await output(tool, args);
      assert.ok(!success, `this should have failed: ${why}`);
      return out + err;
    },
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

/** Built once into the tools folder of this checkout. @returns the program's path */
async function build(tool: GoTool): Promise<string> {
  const module = GO_TOOLS[tool];
  const version = module.slice(module.indexOf("@") + 1);
  const folder = new URL(`../../.tools/${tool}-${version}`, import.meta.url).pathname;
  const program = `${folder}/${tool}`;
  if (await Deno.stat(program).then(() => true, () => false)) return program;
  const { success, stderr } = await new Deno.Command("go", {
    args: ["install", module],
    env: { GOBIN: folder },
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return program;
}

import assert from "node:assert/strict";

const TOOL = new URL("../tools/systemd_box", import.meta.url).pathname;
const PROJECT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
/** Made once for this checkout: a debootstrap takes a minute, a copy of it seconds. */
const PATTERN = `${PROJECT}/.tools/systemd-box`;

export interface Box {
  readonly root: string;
  /** Runs a command inside as root; its stdout. @throws {AssertionError} unless it ended with 0 */
  run(...command: readonly string[]): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

async function call(...args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(TOOL, {
    args: [...args],
    env: { BOX_NET: "private", BOX_BIND: PROJECT },
    stdin: "null",
  }).output();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.ok(success, `${args.join(" ")}\n${out}${error}`);
  return out!;
}

/** A freshly booted Debian with a network of its own; the project is there under its own path. Root only. */
export async function bootBox(): Promise<Box> {
  await call("make", PATTERN, "curl", "ca-certificates");
  const dir = await Deno.makeTempDir({ prefix: "quaylet-box-" });
  const clone = `${dir}/box`;
  const dispose = async () => {
    await call("stop", clone);
    await Deno.remove(dir, { recursive: true });
  };
  try {
    await call("clone", PATTERN, clone);
    await call("boot", clone);
  } catch (error) {
    await dispose().catch(() => {});
    throw error;
  }
  return {
    root: `${clone}/root`,
    run: (...command) => call("exec", clone, ...command),
    [Symbol.asyncDispose]: dispose,
  };
}

import assert from "node:assert/strict";

export interface NetworkNamespace {
  readonly name: string;
  /** Put before a command to run it inside. */
  readonly enter: readonly string[];
  [Symbol.asyncDispose](): Promise<void>;
}

async function ip(...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args: [...args] }).output();
  assert.ok(success, `ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** A network namespace whose only address is `::1`: nothing in it can speak IPv4. Root only. */
export async function ipv6OnlyNamespace(): Promise<NetworkNamespace> {
  const name = `quaylet-v6-${crypto.randomUUID().slice(0, 8)}`;
  await ip("netns", "add", name);
  const remove = () => ip("netns", "del", name);
  try {
    await ip("-n", name, "link", "set", "lo", "up");
    await ip("-n", name, "address", "del", "127.0.0.1/8", "dev", "lo");
  } catch (error) {
    await remove();
    throw error;
  }
  return { name, enter: ["nsenter", `--net=/run/netns/${name}`, "--"], [Symbol.asyncDispose]: remove };
}

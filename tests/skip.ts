/**
 * What a test may need: `root`, `ipv6` (an address on the loopback), `binary` (`QUAYLET_BIN`), `go 1.24.0` (that version
 * or a later one), or else the name of a program on PATH.
 */
export interface NeedyTest {
  readonly name: string;
  readonly needs: readonly string[];
  fn(t: Deno.TestContext): void | Promise<void>;
}

/**
 * `Deno.test`, ignored when something it needs is missing. Deno has no place for the reason: it goes to stdout, and to
 * the file that `QUAYLET_TEST_SKIPS` names, where `scripts/test` collects it.
 */
export function test({ name, needs, fn }: NeedyTest): void {
  const missing = needs.filter((need) => !isThere(need));
  if (missing.length > 0) {
    const line = `SKIPPED ${name}: needs ${missing.join(", ")}\n`;
    const file = Deno.env.get("QUAYLET_TEST_SKIPS");
    if (file === undefined) Deno.stdout.writeSync(new TextEncoder().encode(line));
    else Deno.writeTextFileSync(file, line, { append: true });
  }
  Deno.test({ name, ignore: missing.length > 0, fn });
}

function isThere(need: string): boolean {
  switch (need) {
    case "root":
      return Deno.uid() === 0;
    case "binary":
      return Deno.env.get("QUAYLET_BIN") !== undefined;
    case "ipv6":
      return hasIpv6();
    default:
      if (need.startsWith("go ")) return hasGo(need.slice(3));
      return (Deno.env.get("PATH") ?? "").split(":").some((folder) => isExecutable(`${folder}/${need}`));
  }
}

function isExecutable(path: string): boolean {
  try {
    return ((Deno.statSync(path).mode ?? 0) & 0o111) !== 0;
  } catch {
    return false;
  }
}

function hasGo(version: string): boolean {
  try {
    const output = new Deno.Command("go", { args: ["env", "GOVERSION"], env: { GOTOOLCHAIN: "local" } })
      .outputSync();
    return ordinal(new TextDecoder().decode(output.stdout).slice(2)) >= ordinal(version);
  } catch {
    return false;
  }
}

function ordinal(version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map((part) => Number.parseInt(part));
  return (major * 1000 + minor) * 1000 + patch;
}

function hasIpv6(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}

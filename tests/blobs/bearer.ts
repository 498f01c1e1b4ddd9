import type { Actor } from "../../src/domain/access/access.ts";
import type { Deps } from "../../src/domain/deps.ts";
import { issueRegistryToken } from "../../src/domain/access/registry_tokens.ts";
import { ensureInstanceKey } from "../../src/domain/site/service_keys.ts";

/** `Authorization` header with a token that grants exactly that, signed by a key made for the test's database. */
export async function bearerFor(
  deps: Deps,
  grants: Record<string, ("pull" | "push")[]>,
  actor: Actor = { kind: "anonymous" },
): Promise<string> {
  const dataDir = await Deno.makeTempDir({ prefix: "quaylet-key-" });
  try {
    await ensureInstanceKey(deps, { dataDir });
    const access = Object.entries(grants).map(([name, actions]) => ({ name, actions }));
    return `Bearer ${await issueRegistryToken(
      deps,
      actor,
      deps.config.SERVER_HOSTNAME,
      access,
    )}`;
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
}

import type { ChangeCounters } from "../../lib/change_counters.ts";
import type { Reference, RepositoryName } from "../../oci/reference.ts";
import type { Deps } from "../deps.ts";
import type { ManifestLookup } from "./manifest_lookup.ts";
import { rememberAnswers } from "../repositories/repository_memory.ts";

type Find = ManifestLookup["find"];

/** `ask` with the memory of {@link rememberAnswers}. */
export function rememberFound(
  ask: Find,
  deps: Pick<Deps, "now" | "metrics"> & { changes: ChangeCounters },
): Find {
  return rememberAnswers({ ask, keyOf, hasFound: (found) => found.manifest !== undefined }, deps);
}

function keyOf({ namespace, name }: RepositoryName, reference: Reference): string {
  return reference.kind === "tag"
    ? `${namespace}/${name}:${reference.tag}`
    : `${namespace}/${name}@${reference.digest}`;
}

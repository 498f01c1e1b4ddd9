import type { Deps } from "../domain/deps.ts";
import { tellOfEndingTags } from "../domain/content/image_expiry.ts";

/** Goes through the notifications of tags that end soon until each whose turn it is has had it. */
export async function findEndingTags(
  deps: Pick<Deps, "sql" | "config" | "metrics" | "now">,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted && await tellOfEndingTags(deps));
}

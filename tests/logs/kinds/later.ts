import type { LogKind } from "../../../src/domain/logs/log_kinds.ts";

/** Kinds whose actions are not there yet, and what they come with. Whoever builds one takes its kinds from here. */
export const LATER: Partial<Record<LogKind, string>> = {
  autoprune_tag_delete: "with auto-pruning",
};

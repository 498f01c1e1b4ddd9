import { expect } from "@std/testing";
import type { LogKind } from "../../../src/domain/logs/log_kinds.ts";
import type { SeenRow } from "../rows.ts";
import type { withWorld, World } from "../world.ts";

/** What writes a kind, and its row. */
export interface Writing {
  /** Beside the config under which everything is logged. */
  readonly config?: Parameters<typeof withWorld>[0];
  act(world: World): Promise<unknown>;
  /** The metadata are compared whole. */
  row(world: World): Partial<SeenRow>;
}

export type Writings = Partial<Record<LogKind, Writing>>;

type Call = readonly [status: number, method: string, path: string, body?: unknown];
type Metadata = Record<string, unknown> | ((world: World) => Record<string, unknown>);

/** Calls of the API by alice, one after another; the row is about what the last one did. */
export function byAlice(row: Partial<SeenRow>) {
  return (metadata: Metadata, ...calls: readonly Call[]): Writing => ({
    async act({ alice }) {
      for (const [status, method, path, body] of calls) await alice.expect(status, method, path, body);
    },
    row: (world) => ({
      performer: "alice",
      ...row,
      metadata: typeof metadata === "function" ? metadata(world) : metadata,
    }),
  });
}

/** Calls by the superuser root, whom the row names beside the performer. */
export function byRoot(row: Partial<SeenRow>, metadata: Record<string, unknown>, ...calls: Call[]): Writing {
  return {
    async act({ root }) {
      for (const [status, method, path, body] of calls) await root.expect(status, method, path, body);
    },
    row: () => ({ performer: "root", ...row, metadata: { ...metadata, superuser: "root" } }),
  };
}

export const ANY_TEXT: unknown = expect.any(String);

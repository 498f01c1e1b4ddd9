import { expect } from "@std/testing";
import type { NewLogEntry } from "../../drivers/database/queries/log_entry.ts";
import { ActionBuffer, type BufferedAction } from "./action_buffer.ts";

const row = (kindId: number) => ({ entry: entryOf(kindId) });

const entryOf = (kindId: number): NewLogEntry => ({
  kindId,
  accountId: 1,
  performerId: null,
  repositoryId: null,
  atMs: 0,
  ip: null,
  metadata: {},
});

/** A table that can be away. */
class Table {
  readonly kinds: number[] = [];
  readonly batches: number[] = [];
  readonly told: [string, unknown][] = [];
  away = false;
  readonly log = {
    warn: (text: string, fields?: unknown) => void this.told.push([text, fields]),
    error: (text: string, fields?: unknown) => void this.told.push([text, fields]),
  };
  readonly write = async (actions: readonly BufferedAction[]) => {
    await Promise.resolve();
    if (this.away) throw new Error("away");
    this.batches.push(actions.length);
    this.kinds.push(...actions.map(({ entry }) => entry?.kindId ?? 0));
  };
}

Deno.test("ActionBuffer writes by itself, in order and together, what is recorded one by one", async () => {
  const table = new Table();
  const buffer = new ActionBuffer({ ...table, waitMs: 1 });
  for (const kind of [1, 2, 3]) expect(buffer.record(row(kind), { strict: true })).toBe(undefined);
  while (table.kinds.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(table.kinds).toEqual([1, 2, 3]);
  expect(table.batches).toEqual([3]);
  await buffer.close();
});

Deno.test("ActionBuffer.close() writes what waits, and what came while that was written", async () => {
  const table = new Table();
  const buffer = new ActionBuffer({ ...table, waitMs: 60_000 });
  buffer.offer(row(1));
  const closing = buffer.close();
  buffer.offer(row(2));
  await closing;
  expect(table.kinds).toEqual([1, 2]);
});

Deno.test("ActionBuffer keeps its rows while the database is away, up to a bound; what is lost is told", async () => {
  const table = new Table();
  const buffer = new ActionBuffer({ ...table, most: 3 });
  table.away = true;
  for (const kind of [1, 2, 3]) buffer.record(row(kind), { strict: true });
  await expect(buffer.flush()).rejects.toThrow("away");
  buffer.record(row(4), { strict: false });
  buffer.record(row(5), { strict: false });
  table.away = false;
  await buffer.flush();
  expect(table.kinds).toEqual([1, 2, 3]);
  expect(table.told).toEqual([[expect.stringContaining("not recorded"), { lost: 2 }]]);
  await buffer.close();
  expect(table.told.length).toBe(1);
});

Deno.test("ActionBuffer: a strict row without room waits for room, or fails when there is none to come", async () => {
  const table = new Table();
  const buffer = new ActionBuffer({ ...table, most: 2 });
  for (const kind of [1, 2]) buffer.offer(row(kind));
  const waiting = [3, 4, 5].map((kind) => buffer.record(row(kind), { strict: true }));
  expect(waiting).not.toContain(undefined);
  await Promise.all(waiting);
  await buffer.flush();
  expect(table.kinds.toSorted()).toEqual([1, 2, 3, 4, 5]);
  table.away = true;
  for (const kind of [6, 7]) buffer.offer(row(kind));
  await expect(buffer.record(row(8), { strict: true })).rejects.toMatchObject({
    code: "database_unavailable",
  });
  table.away = false;
  await buffer.close();
  expect(table.kinds.slice(5)).toEqual([6, 7]);
});

Deno.test("ActionBuffer.close() says what it could not write", async () => {
  const table = new Table();
  table.away = true;
  const buffer = new ActionBuffer({ ...table, waitMs: 60_000 });
  for (const kind of [1, 2]) buffer.offer(row(kind));
  await buffer.close();
  expect(table.told.at(-1)).toEqual([expect.stringContaining("not recorded"), { lost: 2 }]);
});

Deno.test("ActionBuffer sends many rows in several batches", async () => {
  const table = new Table();
  const buffer = new ActionBuffer({ ...table, most: 20_000 });
  for (let kind = 0; kind < 12_000; kind++) buffer.offer(row(kind));
  await buffer.close();
  expect(table.kinds).toEqual(Array.from({ length: 12_000 }, (_, kind) => kind));
  expect(Math.max(...table.batches) <= 5_000).toBe(true);
});

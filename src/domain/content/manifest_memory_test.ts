import assert from "node:assert/strict";
import { ChangeCounters } from "../../lib/change_counters.ts";
import { createMetrics } from "../../lib/metrics.ts";
import type { Reference } from "../../oci/reference.ts";
import type { Found } from "./manifest_lookup.ts";
import { rememberFound } from "./manifest_memory.ts";

const REPOSITORY = { namespace: "devs", name: "app" };
const LATEST: Reference = { kind: "tag", tag: "latest" };

/** A lookup with a memory on each of two threads over one "database". */
function twoThreads() {
  const memory = ChangeCounters.allocate(64);
  const state = {
    nowMs: 1_000_000,
    asked: 0,
    answer: found(1, 10) as Found | undefined,
    gate: Promise.resolve(),
  };
  const thread = () => {
    const changes = new ChangeCounters(memory);
    const find = rememberFound(async () => {
      state.asked++;
      const { answer } = state; // what the database says when it is asked
      await state.gate;
      return answer;
    }, { changes, now: () => state.nowMs, metrics: createMetrics() });
    return { changes, find: () => find(REPOSITORY, LATEST) };
  };
  return { state, first: thread(), second: thread() };
}

function found(repositoryId: number, manifestId: number): Found {
  const manifest = {
    id: manifestId,
    digest: `sha256:${manifestId}`,
    mediaType: "application/vnd.oci.image.index.v1+json",
  };
  return { repositoryId, namespaceId: 1, namespaceEnabled: true, manifest } as Found;
}

Deno.test("rememberFound(): asks twice to learn whose changes count, then remembers for a second", async () => {
  const { state, first } = twoThreads();
  for (let i = 0; i < 5; i++) assert.equal((await first.find())?.manifest?.id, 10);
  assert.equal(state.asked, 2);
  state.nowMs += 1_000;
  await first.find();
  assert.equal(state.asked, 3, "an expired tag is noticed");
});

Deno.test("rememberFound(): a tag moved by another thread is seen by the next request", async () => {
  const { state, first, second } = twoThreads();
  for (let i = 0; i < 3; i++) await first.find();
  state.answer = found(1, 11);
  second.changes.changed(1);
  assert.equal((await first.find())?.manifest?.id, 11);
  state.answer = undefined;
  second.changes.allChanged();
  assert.equal(await first.find(), undefined);
});

Deno.test("rememberFound(): a change while the question is under way makes its answer one to be asked again", async () => {
  const { state, first, second } = twoThreads();
  for (let i = 0; i < 3; i++) await first.find();
  second.changes.changed(1);
  const gate = Promise.withResolvers<void>();
  state.gate = gate.promise;
  const old = first.find(); // reads the old row …
  state.answer = found(1, 11); // … the move commits …
  second.changes.changed(1);
  gate.resolve();
  assert.equal((await old)?.manifest?.id, 10, "asked before the move was acknowledged");
  assert.equal((await first.find())?.manifest?.id, 11);
});

Deno.test("rememberFound(): a repository deleted and made again under its name is another one", async () => {
  const { state, first, second } = twoThreads();
  for (let i = 0; i < 3; i++) await first.find();
  state.answer = found(2, 20);
  second.changes.changed(1);
  assert.equal((await first.find())?.manifest?.id, 20);
  state.answer = found(2, 21);
  second.changes.changed(2);
  assert.equal((await first.find())?.manifest?.id, 21);
});

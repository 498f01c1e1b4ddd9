import assert from "node:assert/strict";
import { createBatcher } from "./batch.ts";

Deno.test("createBatcher() collects what comes while a call is under way, and answers in order", async () => {
  const calls: number[][] = [];
  const ask = createBatcher<number, number>((questions) => {
    calls.push(questions);
    return Promise.resolve(questions.map((question) => question * 10));
  }, { calls: 1, questions: 3 });
  const answers = await Promise.all([1, 2, 3, 4, 5].map(ask));
  assert.deepEqual(answers, [10, 20, 30, 40, 50]);
  assert.deepEqual(calls, [[1, 2, 3], [4, 5]]);
});

Deno.test("createBatcher() fails the questions of a failed call only", async () => {
  let failures = 1;
  const ask = createBatcher<number, number>((questions) => {
    if (failures-- > 0) return Promise.reject(new Error("gone"));
    return Promise.resolve(questions);
  }, { calls: 1, questions: 1 });
  const first = ask(1);
  const second = ask(2);
  await assert.rejects(first, /gone/);
  assert.equal(await second, 2);
});

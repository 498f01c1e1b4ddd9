import assert from "node:assert/strict";
import { parseBasic } from "./basic_credentials.ts";

const basic = (text: string) => `Basic ${btoa(text)}`;

Deno.test("parseBasic(): a name and all that follows the first colon", () => {
  assert.deepEqual(parseBasic(basic("ada:pass:word")), { username: "ada", password: "pass:word" });
  assert.deepEqual(parseBasic(basic("devs+bot:")), { username: "devs+bot", password: "" });
  assert.deepEqual(parseBasic(`bAsIc  ${btoa("$app:x")}`), { username: "$app", password: "x" });
  assert.deepEqual(parseBasic("Basic YTrDvA=="), { username: "a", password: "ü" });
});

for (
  const header of [
    "",
    "Basic",
    "Basic ",
    "Bearer abc",
    "Basic !!!!",
    basic("no colon"),
    basic("a:b\0c"),
    `${basic("a:b")}, ${basic("c:d")}`,
    `${basic("a:b")} ${basic("c:d")}`,
    "Basic YTr/",
    `Basic ${"QUFB".repeat(4096)}`,
  ]
) {
  Deno.test(`parseBasic(): refuses ${JSON.stringify(header.slice(0, 40))}`, () => {
    assert.equal(parseBasic(header), undefined);
  });
}

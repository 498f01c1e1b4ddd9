import assert from "node:assert/strict";
import { parseConfigText } from "./document.ts";

Deno.test("parseConfigText() reads YAML as PyYAML does", () => {
  const { values, problems } = parseConfigText(
    "A: yes\nB: off\nC: 0755\nD: &x {k: 1}\nE:\n  <<: *x\n  l: 2\n",
    "f",
  );
  assert.deepEqual(problems, []);
  assert.deepEqual([values.A, values.B], [true, false]);
  assert.deepEqual(Object.keys(values.E as object).sort(), ["k", "l"]);
});

Deno.test("parseConfigText() keeps every digit of a key that nobody quoted", () => {
  const digits = "40157269983423402938472093847509238475";
  assert.equal(
    String(parseConfigText(`DATABASE_SECRET_KEY: ${digits}\n`, "f").values.DATABASE_SECRET_KEY),
    digits,
  );
});

Deno.test("parseConfigText() reads JSON, indented with tabs too", () => {
  assert.deepEqual(parseConfigText('{\n\t"A": {\n\t\t"b": ["yes", 1]\n\t}\n}', "f").values, {
    A: { b: ["yes", 1] },
  });
});

Deno.test("parseConfigText() lets the last of two equal keys win and says so", () => {
  const { values, notices } = parseConfigText("A: one\nA: two\n", "f");
  assert.equal(values.A, "two");
  assert.match(notices[0]?.message ?? "", /A is set twice/);
});

for (const text of ["", "# only a comment\n", "---\n"]) {
  Deno.test(`parseConfigText(${JSON.stringify(text)}) is an empty configuration`, () => {
    assert.deepEqual(parseConfigText(text, "f"), { values: {}, problems: [], notices: [] });
  });
}

const BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" +
  "bcdefghij".split("").map((name, i) =>
    `${name}: &${name} [${Array(10).fill(`*${"abcdefghij"[i]}`).join(",")}]\n`
  )
    .join("");
const BROKEN: [string, string][] = [
  ["a list", "- a\n- b\n"],
  ["a word", "hello"],
  ["bad indentation", "A:\n  b: 1\n c: 2\n"],
  ["an open quote", 'A: "b\n'],
  ["an unknown alias", "A: *nowhere\n"],
  ["an alias bomb", BOMB],
  ["deep flow nesting", "A: " + "[".repeat(50_000)],
  ["deep JSON", '{"A":' + "[".repeat(50_000) + "]".repeat(50_000) + "}"],
  ["deep block nesting", Array.from({ length: 3000 }, (_, i) => " ".repeat(i) + "a:\n").join("")],
  ["a binary file", "\u0000\u0001\u0002: {"],
];
for (const [what, text] of BROKEN) {
  Deno.test(`parseConfigText() refuses ${what} in words`, () => {
    const { values, problems } = parseConfigText(text, "config.yaml");
    assert.deepEqual(values, {});
    assert.equal(problems.length, 1);
    assert.equal(problems[0]?.key, "config.yaml");
    assert.ok((problems[0]?.mend ?? "").length > 0);
  });
}

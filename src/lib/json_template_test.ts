import { expect } from "@std/testing";
import { parseJsonTemplate } from "./json_template.ts";

const DATA = {
  name: "app",
  count: 42,
  list: ["a", "b"],
  nested: { deep: { value: true }, "odd key": 1 },
  items: [{ id: 1 }, { id: 2 }],
};

Deno.test("parseJsonTemplate() puts values into JSON", () => {
  const rows: [template: unknown, made: unknown][] = [
    [{}, {}],
    [{ a: "plain", b: 1, c: null, d: [true] }, { a: "plain", b: 1, c: null, d: [true] }],
    [{ a: "${count}" }, { a: 42 }],
    [{ a: "${ name }" }, { a: "app" }],
    [{ a: "is ${name}!" }, { a: "is app!" }],
    [{ a: "${name}-${count}" }, { a: "app-42" }],
    [{ a: "${nested.deep.value}" }, { a: true }],
    [{ a: "${$.nested.deep}" }, { a: { value: true } }],
    [{ a: "${list}" }, { a: ["a", "b"] }],
    [{ a: "tags: ${list}" }, { a: 'tags: ["a","b"]' }],
    [{ a: "${list[1]}" }, { a: "b" }],
    [{ a: "${list[7]}" }, { a: "(none)" }],
    [{ a: "${items[*].id}" }, { a: [1, 2] }],
    [{ a: "${items[1].id}" }, { a: 2 }],
    [{ a: "${nested['odd key']}" }, { a: 1 }],
    [{ a: "${missing.thing}" }, { a: "(none)" }],
    [{ a: "${constructor}", b: "${list.length}" }, { a: "(none)", b: "(none)" }],
    [{ "${name}": ["${name}", { "x": "${count}" }] }, { app: ["app", { x: 42 }] }],
    ["${name}", "app"],
  ];
  for (const [template, made] of rows) {
    expect([template, parseJsonTemplate(JSON.stringify(template)).render(DATA)]).toEqual([template, made]);
  }
});

Deno.test("parseJsonTemplate() refuses what is no template, in words", () => {
  const rows: [template: string, words: RegExp][] = [
    ["", /not valid JSON/],
    ["{", /not valid JSON/],
    ['{"a": "${}"}', /no path/],
    ['{"a": "${.name}"}', /no path/],
    ['{"a": "${name.}"}', /no path/],
    ['{"a": "${a b}"}', /no path/],
    ['{"a": "x ${list[x]} y"}', /no path/],
    ['{"${a(}": 1}', /no path/],
    [`"${"${name}".repeat(101)}"`, /at most 100 expressions/],
    [`"${"x".repeat(20_000)}"`, /at most 16384 characters/],
    [`${"[".repeat(60)}${"]".repeat(60)}`, /too deeply/],
  ];
  for (const [template, words] of rows) {
    expect(() => parseJsonTemplate(template)).toThrow(words);
  }
});

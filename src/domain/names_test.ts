import { expect } from "@std/testing";
import { accountNameProblem, isEmail, isRepositoryName, passwordProblem } from "./names.ts";

Deno.test("accountNameProblem(): Quay's rule for users, organizations, teams and robots", () => {
  for (const name of ["ab", "a1", "a.b-c_d", "0x", "a".repeat(255)]) {
    expect([name, accountNameProblem(name)]).toEqual([name, undefined]);
  }
  const bad = [
    "",
    "a",
    "A1",
    "a..b",
    "a--b",
    "a__b",
    ".ab",
    "ab.",
    "a b",
    "a/b",
    "a+b",
    "b\u00fc",
    "ab\n",
    "ab\0",
  ];
  for (const name of [...bad, "a".repeat(256)]) {
    expect([name, typeof accountNameProblem(name)]).toEqual([name, "string"]);
  }
});

Deno.test("isRepositoryName(): components, nesting, length", () => {
  for (const name of ["a", "a.b", "0_x", "a..b", "a-", "x".repeat(255)]) {
    expect([name, isRepositoryName(name, false)]).toEqual([name, true]);
  }
  expect(isRepositoryName("a/b/c", true)).toBe(true);
  expect(isRepositoryName("a/b/c", false)).toBe(false);
  const bad = [
    "",
    "/",
    "a/",
    "/a",
    "a//b",
    "A",
    ".a",
    "-a",
    "..",
    "a/..",
    "a b",
    "\u00e9",
    "a\n",
    "x".repeat(256),
  ];
  for (const name of bad) expect([name, isRepositoryName(name, true)]).toEqual([name, false]);
});

Deno.test("passwordProblem(), isEmail(): what is refused", () => {
  expect(passwordProblem("eight888")).toBe(undefined);
  expect(passwordProblem("\u{1f40e}".repeat(40))).toBe(undefined);
  for (
    const password of [
      "",
      "seven77",
      "has a space",
      "tab\tinside",
      "line\ninside",
      "nul\0inside",
      "x".repeat(4097),
    ]
  ) {
    expect([password, typeof passwordProblem(password)]).toEqual([password, "string"]);
  }
  expect(isEmail("a@b")).toBe(true);
  for (const text of ["", "a", "@", "a@", "@b", "a b@c", "a@b@c", "a@b\0", `${"a".repeat(255)}@b`]) {
    expect([text, isEmail(text)]).toEqual([text, false]);
  }
});

import { expect } from "@std/testing";
import { AppError } from "./errors.ts";
import { createLogger, type LoggerOptions, MAX_LINE_CHARS } from "./logger.ts";

function logTo(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  return { lines, log: createLogger({ format: "json", level: "debug", write, now: () => 0, ...options }) };
}

Deno.test("createLogger() writes one JSON object a line, level and bound fields included", () => {
  const { lines, log } = logTo();
  log.with({ requestId: "r1" }).info("tag\nmoved", { tag: "latest", level: "fake", time: "fake" });
  expect(lines).toHaveLength(1);
  expect(lines[0]!.indexOf("\n")).toBe(lines[0]!.length - 1);
  expect(JSON.parse(lines[0]!)).toEqual({
    time: "1970-01-01T00:00:00.000Z",
    level: "info",
    msg: "tag\nmoved",
    requestId: "r1",
    tag: "latest",
  });
});

Deno.test("createLogger() drops what is below its level, and says so beforehand", () => {
  const { lines, log } = logTo({ level: "warn" });
  log.debug("a");
  log.info("b");
  log.warn("c");
  log.error("d");
  expect(lines.map((line) => JSON.parse(line).msg)).toEqual(["c", "d"]);
  expect(log.enabled?.("info")).toBe(false);
  expect(log.enabled?.("warn")).toBe(true);
});

Deno.test("createLogger() keeps an error's stack, code, detail and causes", () => {
  const { lines, log } = logTo();
  const error = new AppError("storage_full", "no space", { sizeBytes: 5 }, {
    cause: new TypeError("ENOSPC"),
  });
  log.error("failed", { error });
  const { error: logged } = JSON.parse(lines[0]!);
  expect(logged).toMatchObject({ code: "storage_full", message: "no space", detail: { sizeBytes: 5 } });
  expect(logged.stack).toContain("logger_test.ts");
  expect(logged.cause).toMatchObject({ name: "TypeError", message: "ENOSPC" });
});

Deno.test("createLogger() leaves out PostgreSQL's detail, which may quote a row", () => {
  const { lines, log } = logTo();
  log.error("failed", {
    error: Object.assign(new Error("null value"), { code: "23502", detail: "row (1, hunter2)" }),
  });
  expect(lines[0]).not.toContain("hunter2");
  expect(JSON.parse(lines[0]!).error.code).toBe("23502");
});

const SECRETS: [name: string, fields: Record<string, unknown>][] = [
  ["password", { password: "hunter2" }],
  ["nested", { user: { account: { app_password: "hunter2" } } }],
  ["in an array", { robots: [{ token: "hunter2" }] }],
  ["list under a secret key", { secrets: 1, secret: ["hunter2"] }],
  ["header names", { "Set-Cookie": "hunter2", "Proxy-Authorization": "hunter2" }],
  ["camel case", { accessToken: "hunter2", clientSecret: "hunter2" }],
  ["Quay's keys", { SECRET_KEY: "hunter2", DATABASE_SECRET_KEY: "hunter2", PAGE_TOKEN_KEY: "hunter2" }],
  ["bearer in a text", { note: "sent Authorization: Bearer hunter2hunter2" }],
  ["basic in a text", { note: "basic aHVudGVyMg==hunter2" }],
  ["database URI", { uri: "postgresql://quay:hunter2@db.example/quay" }],
  ["URI password with a slash", { uri: "postgresql://quay:pa/hunter2@db.example/quay" }],
  ["URI in an error", { error: new Error("cannot connect to redis://u:hunter2@host:1/") }],
  ["URI in a cause", { error: new Error("x", { cause: new Error("https://u:hunter2@host/") }) }],
  ["URL object", { url: new URL("https://u:hunter2@host/?token=hunter2") }],
  ["query parameter", { url: "https://host/?a=1&access_token=hunter2&b=2" }],
  ["token", { note: "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.hunter2" }],
  ["private key", { note: "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----" }],
  ["bytes", { body: new TextEncoder().encode("hunter2") }],
  ["map", { headers: new Map([["cookie", "hunter2"]]) }],
];
for (const [name, fields] of SECRETS) {
  for (const format of ["json", "text"] as const) {
    Deno.test(`createLogger() ${format}: no secret in the log: ${name}`, () => {
      const { lines, log } = logTo({ format });
      log.info("x", fields);
      log.with(fields).info("x");
      expect(lines).toHaveLength(2);
      expect(lines.join("")).not.toContain("hunter2");
    });
  }
}

Deno.test("createLogger() writes no secret of the message itself", () => {
  const { lines, log } = logTo();
  log.info("connecting to postgresql://quay:hunter2@db.example/quay");
  expect(lines[0]).toContain("postgresql://quay:[redacted]@db.example/quay");
});

Deno.test("createLogger() leaves alone what is no secret", () => {
  const { lines, log } = logTo();
  const fields = {
    tokens: 3,
    has_password: true,
    digest: "sha256:abc",
    kid: "k1",
    url: "http://[::]:8080",
    none: null,
  };
  log.info("x", fields);
  expect(JSON.parse(lines[0]!)).toMatchObject(fields);
});

Deno.test("createLogger() bounds a record and survives cycles, depth and odd values", () => {
  const { lines, log } = logTo();
  const cycle: Record<string, unknown> = { big: 2n ** 64n, at: new Date(NaN), fn: () => 1, none: undefined };
  cycle.self = cycle;
  log.info("x", { cycle, long: '\u0001"'.repeat(100_000), many: new Array(10_000).fill("y".repeat(100)) });
  log.info("z".repeat(1_000_000), { many: new Array(99).fill('"\\'.repeat(4000)) });
  for (const line of lines) {
    expect(line.length).toBeLessThanOrEqual(MAX_LINE_CHARS + 1);
    expect(() => JSON.parse(line)).not.toThrow();
  }
});

Deno.test("createLogger() text: one readable line, control characters made visible, stacks below", () => {
  const { lines, log } = logTo({ format: "text" });
  log.warn("evil\u001b[31m\nname", { path: "/a b", n: 1, list: [1] });
  expect(lines[0]).toBe(`1970-01-01T00:00:00.000Z WARN  evil\\x1b[31m\\x0aname path="/a b" n=1 list=[1]\n`);
  log.error("failed", { error: new Error("outer", { cause: new Error("inner") }) });
  expect(lines[1]).toContain("Error: outer");
  expect(lines[1]).toContain("caused by Error: inner");
});

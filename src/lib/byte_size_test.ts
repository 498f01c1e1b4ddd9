import { expect } from "@std/testing";
import { formatBytes, parseBytes } from "./byte_size.ts";

Deno.test("formatBytes() in the largest unit of which there is one", () => {
  const cases: [bytes: number, text: string][] = [
    [0, "0.0 Byte"],
    [1023, "1023.0 Byte"],
    [1024, "1.0 KiB"],
    [10 * 1024 ** 3, "10.0 GiB"],
    [1_500_000_000, "1.4 GiB"],
    [2 ** 53 - 1, "8.0 PiB"],
  ];
  for (const [bytes, text] of cases) expect(formatBytes(bytes)).toBe(text);
});

Deno.test("parseBytes() reads binary and decimal units, and nothing else", () => {
  const cases: [text: string, bytes: number | undefined][] = [
    ["10 GiB", 10 * 1024 ** 3],
    ["10GB", 10_000_000_000],
    ["1.5 kib", 1536],
    ["512 B", 512],
    ["7 Byte", 7],
    ["10", undefined],
    ["-1 GiB", undefined],
    ["10 GiBs", undefined],
    ["1e3 MB", undefined],
    ["999999999 PiB", undefined],
    ["", undefined],
  ];
  for (const [text, bytes] of cases) expect([text, parseBytes(text)]).toEqual([text, bytes]);
});

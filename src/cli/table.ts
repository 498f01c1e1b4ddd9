/** Rows under headings, columns as wide as their widest cell; for people, not for parsing (`--json` is). */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows].map((row) => row.map(visible));
  const widths = headings.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ""))));
  const lines = all.map((row) =>
    row.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - width(cell))).join("  ").trimEnd()
  );
  return `${lines.join("\n")}\n`;
}

/** `name  value` lines for one thing. */
export function fields(pairs: readonly (readonly [string, string])[]): string {
  const longest = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(longest)}  ${visible(value)}\n`).join("");
}

/** A terminal must not obey what somebody wrote into a description. */
function visible(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (c) => c === "\n" ? " " : "\u{fffd}");
}

function width(text: string): number {
  return [...text].length;
}

/**
 * A matcher for one of Quay's tag patterns: POSIX fnmatch without flags, case-sensitive. `*`, `?`, `[abc]`, `[a-z]`, `[!a]`;
 * `[^a]` is a set that holds `^`, as in Python's fnmatch, which Quay calls. A `[` that is never closed stands for itself.
 * No braces, no escapes; `/` and a leading dot are ordinary. Time is linear in pattern times name.
 */
export function compileGlob(pattern: string): (name: string) => boolean {
  const tokens = tokensOf(pattern);
  return (name) => matches(tokens, [...name]);
}

type Token = { readonly star: true } | { readonly star: false; accepts(sign: string): boolean };

function tokensOf(pattern: string): Token[] {
  const signs = [...pattern];
  const tokens: Token[] = [];
  for (let at = 0; at < signs.length; at++) {
    const sign = signs[at]!;
    if (sign === "*") {
      if (!tokens.at(-1)?.star) tokens.push({ star: true });
    } else if (sign === "?") tokens.push({ star: false, accepts: () => true });
    else if (sign === "[") {
      const end = closingBracket(signs, at);
      if (end === undefined) tokens.push({ star: false, accepts: (other) => other === "[" });
      else {
        tokens.push(setOf(signs.slice(at + 1, end)));
        at = end;
      }
    } else tokens.push({ star: false, accepts: (other) => other === sign });
  }
  return tokens;
}

/** A `]` right after the opening (or after `!`) is a member. */
function closingBracket(signs: readonly string[], open: number): number | undefined {
  let at = open + 1;
  if (signs[at] === "!") at++;
  if (signs[at] === "]") at++;
  while (at < signs.length && signs[at] !== "]") at++;
  return at < signs.length ? at : undefined;
}

function setOf(inside: readonly string[]): Token {
  const negated = inside[0] === "!";
  const members = negated ? inside.slice(1) : inside;
  const ranges: [low: string, high: string][] = [];
  for (let at = 0; at < members.length; at++) {
    const low = members[at]!;
    const high = members[at + 1] === "-" ? members[at + 2] : undefined;
    ranges.push([low, high ?? low]);
    if (high !== undefined) at += 2;
  }
  return {
    star: false,
    accepts: (sign) => ranges.some(([low, high]) => low <= sign && sign <= high) !== negated,
  };
}

/** Goes back to the last star only: never more than pattern times name steps. */
function matches(tokens: readonly Token[], name: readonly string[]): boolean {
  let token = 0;
  let at = 0;
  let star = -1;
  let starAt = 0;
  while (at < name.length) {
    const current = tokens[token];
    if (current?.star) {
      star = token++;
      starAt = at;
    } else if (current !== undefined && !current.star && current.accepts(name[at]!)) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++starAt;
    } else return false;
  }
  while (tokens[token]?.star) token++;
  return token === tokens.length;
}

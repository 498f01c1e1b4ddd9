/**
 * What comes after every text that begins with `prefix`, in byte order: `like 'x%'` as a range, which the planner turns
 * into an index range also when it does not know the parameter's value.
 */
export function endOfPrefix(prefix: string): string {
  return `${prefix}\u{10ffff}`;
}

/** The pattern of `like` that every text fits which contains `part`, whatever letters that has. */
export function containing(part: string): string {
  return `%${part.replace(/[\\%_]/g, "\\$&")}%`;
}

/** Runs a program to its end; its stdout. @throws with its stderr unless it ended with 0 */
export async function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const output = await new Deno.Command(program, { args: [...args], stdin: "null", ...options }).output();
  const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!output.success) {
    throw new Error(`${program} ${args.join(" ")}: status ${output.code}\n${stdout}${stderr}`);
  }
  return stdout!;
}

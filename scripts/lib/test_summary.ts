/** Last part of `scripts/test`: names what was skipped and counts. Arguments: junit file, skips file, status of `deno test`. */
const [junitPath, skipsPath, status] = Deno.args as [string, string, string];
const junit = await Deno.readTextFile(junitPath).catch(() => "");
const skips = (await Deno.readTextFile(skipsPath)).split("\n").filter((line) => line !== "");
const tests = count(/<testcase /g);
const skipped = count(/<skipped\b/g);
let failed = count(/<(failure|error)\b/g);
// A file that does not compile, or a run that was cut off, leaves no failed test behind.
if (status !== "0" && failed === 0) failed = 1;
for (const line of skips) console.log(line);
if (skipped > skips.length) console.log(`SKIPPED ${skipped - skips.length} more, without a reason`);
console.log(`${Math.max(0, tests - failed - skipped)} passed, ${failed} failed, ${skipped} skipped`);
Deno.exit(failed > 0 || tests === 0 ? 1 : 0);

function count(pattern: RegExp): number {
  return junit.match(pattern)?.length ?? 0;
}

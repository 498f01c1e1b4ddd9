/**
 * The heart of `scripts/test`. Arguments: a work folder, then the test files. Unit tests go first, all in one process;
 * then each file below tests/ by name in a process of its own, which is killed when it hangs: the light ones three at a
 * time, for they wait more than they work, the heavy ones alone. All light ones share a database server; each test makes
 * a database of its own there.
 */
import { killTree } from "../../tests/appliance.ts";
import { testServer } from "../../tests/database.ts";

interface Job {
  readonly name: string;
  readonly files: readonly string[];
  readonly minutes: number;
}

interface Result {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
  /** All that a failed job wrote. */
  readonly output: string | undefined;
}

/** Folders of tests/ whose tests need both cores, or the machine's own settings, and the minutes that they may take. */
const HEAVY: Readonly<Record<string, number>> = {
  bench: 10,
  binary: 10,
  clients: 25,
  conformance: 15,
  faults: 20,
  serve: 10,
  systemd: 15,
};
/** Some build a Go program first, side by side with others: minutes on a machine that has never done it. */
const LIGHT_MINUTES = 15;
const LIGHT_LANES = 3;
/** Marks every process that a test starts, however it detaches itself. */
const MARK = "QUAYLET_TEST_RUN";

const [work, ...files] = Deno.args as [string, ...string[]];
const skipsFile = Deno.env.get("QUAYLET_TEST_SKIPS")!;
const results: Result[] = [];
const children = new Set<number>();

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    Promise.all([...children].map(killTree)).finally(() => Deno.exit(1));
  });
}

const unit = files.filter((file) => !file.startsWith("tests/"));
const jobs = files.filter((file) => file.startsWith("tests/")).map((file): Job => {
  return { name: file, files: [file], minutes: heavyMinutes(file) ?? LIGHT_MINUTES };
});
const light = jobs.filter(({ name }) => heavyMinutes(name) === undefined);
const heavy = jobs.filter(({ name }) => heavyMinutes(name) !== undefined);

if (unit.length > 0) await runJobs([{ name: "unit tests", files: unit, minutes: LIGHT_MINUTES }], 1);
const env = light.length > 1 ? await sharedServer() : {};
await runJobs(light, LIGHT_LANES, env);
await runJobs(heavy, 1);
report();

function heavyMinutes(file: string): number | undefined {
  return HEAVY[file.split("/")[1]!];
}

/** Without one, the tests that need a database start their own, and tell what is wrong. */
async function sharedServer(): Promise<Record<string, string>> {
  const target = await testServer().catch((error) => console.log(`no shared database server: ${error}`));
  return target?.shared === false ? { QUAYLET_TEST_PG: target.socketDir } : {};
}

async function runJobs(jobs: readonly Job[], lanes: number, env: Record<string, string> = {}): Promise<void> {
  const waiting = [...jobs];
  const lane = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      results.push(await runJob(job, env));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function runJob({ name, files, minutes }: Job, env: Record<string, string>): Promise<Result> {
  const startMs = Date.now();
  const mark = crypto.randomUUID();
  const [log, junitFile] = [`${work}/${mark}.log`, `${work}/${mark}.xml`];
  // To a file: a pipe would stay open as long as anything that the tests left behind.
  const child = new Deno.Command("sh", {
    args: [
      ...["-c", 'exec "$@" >"$0" 2>&1', log, Deno.execPath(), "test", "-A", "--unstable-net", "--no-check"],
      ...[`--junit-path=${junitFile}`, ...files],
    ],
    env: { ...env, NO_COLOR: "1", [MARK]: mark },
    stdin: "null",
  }).spawn();
  children.add(child.pid);
  let hung = false;
  const timer = setTimeout(() => {
    hung = true;
    killTree(child.pid);
  }, minutes * 60_000);
  const { success } = await child.status;
  clearTimeout(timer);
  children.delete(child.pid);
  const leftBehind = await killMarked(mark);

  const junit = await Deno.readTextFile(junitFile).catch(() => "");
  const skipped = matches(junit, /<testcase name="([^"]*)"[^>]*>\s*<skipped/g);
  const failures = matches(junit, /<(failure|error)\b/g).length;
  const tests = matches(junit, /<(testcase) /g).length;
  // A file that does not compile, or a run that was cut off, leaves no failed test behind.
  const failed = success ? failures : Math.max(1, failures);
  const passed = Math.max(0, tests - failures - skipped.length);
  const notes = [
    `${passed} passed`,
    ...(failed > 0 ? [`${failed} FAILED`] : []),
    ...(skipped.length > 0 ? [`${skipped.length} skipped`] : []),
    ...(hung ? [`killed after ${minutes} minutes`] : []),
    ...(leftBehind.length > 0 ? [`left running: ${leftBehind.join(", ")}`] : []),
  ];
  console.log(`${name}: ${notes.join(", ")} (${((Date.now() - startMs) / 1000).toFixed(1)} s)`);
  if (failed === 0) return { passed, failed, skipped, output: undefined };
  const end = hung ? `\n${name} hung: killed after ${minutes} minutes, in the test named last.\n` : "";
  return { passed, failed, skipped, output: `==== ${name}\n${await Deno.readTextFile(log)}${end}` };
}

function matches(text: string, pattern: RegExp): string[] {
  return Array.from(text.matchAll(pattern), ([, found]) => unescapeXml(found!));
}

function unescapeXml(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll(
    "&apos;",
    "'",
  )
    .replaceAll("&amp;", "&");
}

/** Kills what a job left running; the names. */
async function killMarked(mark: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name: pid } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const environment = await Deno.readTextFile(`/proc/${pid}/environ`).catch(() => "");
    if (!environment.includes(`${MARK}=${mark}`)) continue;
    names.push((await Deno.readTextFile(`/proc/${pid}/comm`).catch(() => pid)).trim());
    try {
      Deno.kill(Number(pid), "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  return names;
}

/** Prints failures, skipped tests and the count, and ends the process. */
function report(): never {
  for (const { output } of results) if (output !== undefined) console.log(`\n${output}`);
  const reasons = Deno.readTextFileSync(skipsFile).split("\n").filter((line) => line !== "");
  for (const line of reasons) console.log(line);
  const skipped = results.flatMap((result) => result.skipped);
  for (const name of skipped) {
    if (!reasons.some((line) => line.startsWith(`SKIPPED ${name}: `))) {
      console.log(`SKIPPED ${name}: without a reason`);
    }
  }
  const sum = (count: (result: Result) => number) =>
    results.reduce((total, result) => total + count(result), 0);
  const [passed, failed] = [sum((result) => result.passed), sum((result) => result.failed)];
  console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
  Deno.exit(failed > 0 || passed === 0 ? 1 : 0);
}

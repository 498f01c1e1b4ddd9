/**
 * `scripts/bench api [--scale N] [--rounds N] [--only WORD] [--data DIR] [--plans]`: what the console asks of the REST
 * API, on an appliance with a million tags, a hundred thousand repositories and ten million log rows (times N). Prints
 * how long each call took, and for lists what a late page costs compared with the first; asserts nothing. A folder that
 * `--data` names is filled once and kept.
 */
import { parseArgs } from "node:util";
import { Agent, request } from "undici";
import { startAppliance } from "../appliance.ts";
import { API_CALLS, LISTS } from "./api_calls.ts";
import { fillApplianceFolder, type Tokens } from "./api_data.ts";
import { FULL } from "./population.ts";

const { values: flags } = parseArgs({
  options: {
    scale: { type: "string", default: "1" },
    rounds: { type: "string", default: "200" },
    only: { type: "string", default: "" },
    data: { type: "string" },
  },
});
const TARGET_P99_MS = 50;
const rounds = Number(flags.rounds);
const scale = Number(flags.scale);
const sizes = {
  organizations: Math.max(10, FULL.organizations * scale),
  users: Math.max(50, FULL.users * scale),
  robots: Math.max(50, FULL.robots * scale),
  repositories: Math.max(100, FULL.repositories * scale),
  tags: Math.max(1_000, FULL.tags * scale),
  logs: Math.max(1_000, FULL.logs * scale),
  logDays: FULL.logDays,
};

const dataDir = flags.data ?? await Deno.makeTempDir({ prefix: "quaylet-bench-api-" });
const { tokens, config } = await fillApplianceFolder(dataDir, sizes, (what) => console.error(what));
const appliance = await startAppliance({ dataDir, config });
const agent = new Agent({ connections: 1, headersTimeout: 120_000, bodyTimeout: 120_000 });
try {
  printHead();
  const slow: string[] = [];
  for (const { what, as, path } of API_CALLS.filter(({ what }) => what.includes(flags.only))) {
    const times: number[] = [];
    try {
      for (let n = -3; n < rounds; n++) {
        const { ms } = await get(as, typeof path === "string" ? path : path(Math.abs(n)));
        if (n >= 0) times.push(ms);
      }
    } catch (error) {
      failed(what, error);
      continue;
    }
    printRow(what, times);
    if (quantile(times, 0.99) >= TARGET_P99_MS) slow.push(what);
  }
  for (const list of LISTS.filter(({ what }) => what.includes(flags.only))) {
    let times: number[];
    try {
      times = await walk(list.as, list.path, list.pages);
    } catch (error) {
      failed(list.what, error);
      continue;
    }
    const edge = Math.min(25, Math.ceil(times.length / 4));
    const [first, last] = [times.slice(0, edge), times.slice(-edge)];
    const ratio = quantile(last, 0.5) / quantile(first, 0.5);
    printRow(`${list.what}, all ${times.length} pages`, times, `${ratio.toFixed(2)}x`);
    if (quantile(times, 0.99) >= TARGET_P99_MS) slow.push(list.what);
  }
  console.log(
    slow.length === 0
      ? `\nEvery call is below ${TARGET_P99_MS} ms at the 99th percentile.`
      : `\nAt the 99th percentile not below ${TARGET_P99_MS} ms: ${slow.join("; ")}`,
  );
} finally {
  await agent.close();
  await appliance.stop();
  if (flags.data === undefined) await Deno.remove(dataDir, { recursive: true });
}

/** One call that does not work leaves the others their turn. */
function failed(what: string, error: unknown): void {
  console.log(`| ${what} | failed | | |`);
  console.error(`${what}: ${error}`);
  Deno.exitCode = 1;
}

async function get(as: keyof Tokens, path: string): Promise<{ ms: number; text: string }> {
  const started = performance.now();
  const answer = await request(`${appliance.httpUrl}${path}`, {
    dispatcher: agent,
    headers: as === "nobody" ? {} : { authorization: `Bearer ${tokens[as]}` },
  });
  const text = await answer.body.text();
  const ms = performance.now() - started;
  if (answer.statusCode !== 200) throw new Error(`${path} as ${as}: ${answer.statusCode} ${text}`);
  return { ms, text };
}

/** Goes from page to page as a client does. @returns how long each took */
async function walk(as: keyof Tokens, path: string, pages: number): Promise<number[]> {
  const times: number[] = [];
  const numbered = path.includes("{page}");
  let address = path.replace("{page}", "1");
  while (times.length < pages) {
    const { ms, text } = await get(as, address);
    times.push(ms);
    const { next_page: next, has_additional: more, additional } = JSON.parse(text);
    if (numbered) {
      if (more !== true && additional !== true) break;
      address = path.replace("{page}", `${times.length + 1}`);
    } else {
      if (next === undefined) break;
      address = `${path}${path.includes("?") ? "&" : "?"}next_page=${encodeURIComponent(next)}`;
    }
  }
  return times;
}

function quantile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

function printHead(): void {
  const { tags, repositories, logs } = sizes;
  console.log(
    `${new Date().toISOString().slice(0, 10)}, ${navigator.hardwareConcurrency} cores, ` +
      `${tags} tags, ${repositories} repositories, ${logs} log rows; milliseconds of one client\n`,
  );
  console.log("| call | p50 | p99 | last / first page |\n| --- | --- | --- | --- |");
}

function printRow(what: string, times: readonly number[], ratio = ""): void {
  const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)].map((ms) => ms.toFixed(1));
  console.log(`| ${what} | ${p50} | ${p99} | ${ratio} |`);
}

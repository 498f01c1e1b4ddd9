/** What a process and all its descendants use, from /proc. */

/** Resident and proportional set size, in MB. */
export async function memoryOf(pid: number): Promise<{ rssMb: number; pssMb: number }> {
  let rssKb = 0;
  let pssKb = 0;
  for (const member of await treeOf(pid)) {
    const rollup = await Deno.readTextFile(`/proc/${member}/smaps_rollup`).catch(() => "");
    rssKb += Number(/^Rss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
    pssKb += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  }
  return { rssMb: rssKb / 1024, pssMb: pssKb / 1024 };
}

const TICKS_PER_SECOND = 100;

/** Processor time so far, in seconds; of processes that run still. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  let ticks = 0;
  for (const member of await treeOf(pid)) {
    const fields = await statOf(member);
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks / TICKS_PER_SECOND;
}

async function treeOf(pid: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for await (const entry of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(entry.name)) continue;
    const [, parent] = await statOf(Number(entry.name));
    parents.set(Number(entry.name), Number(parent));
  }
  const belongs = (candidate: number | undefined): boolean =>
    candidate !== undefined && (candidate === pid || belongs(parents.get(candidate)));
  return [...parents.keys()].filter(belongs);
}

/** State, parent and so on: the fields of `stat` behind the program's name. */
async function statOf(pid: number): Promise<string[]> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

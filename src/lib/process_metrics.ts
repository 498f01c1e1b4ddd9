import type { MetricSnapshot } from "./series.ts";

/** Linux's USER_HZ: fixed at 100 for user space on x86_64 and aarch64. */
const TICKS_PER_SECOND = 100;

/** The standard `process_*` metrics from /proc; what cannot be read there is left out. */
export function processMetrics(): MetricSnapshot[] {
  const found: MetricSnapshot[] = [];
  const add = (type: "counter" | "gauge", name: string, help: string, value: number | undefined) => {
    if (value === undefined || !Number.isFinite(value)) return;
    found.push({ name, help, type, aggregator: "sum", values: [{ labels: {}, value }] });
  };
  // The command name may hold spaces and parentheses: the fields start behind its last parenthesis.
  const stat = readText("/proc/self/stat")?.replace(/^.*\) /s, "").split(" ").map(Number) ?? [];
  const bootTime = Number(readText("/proc/stat")?.match(/^btime (\d+)/m)?.[1] ?? NaN);
  add(
    "counter",
    "process_cpu_seconds_total",
    "Total user and system CPU time spent in seconds.",
    ((stat[11] ?? NaN) + (stat[12] ?? NaN)) / TICKS_PER_SECOND,
  );
  add(
    "gauge",
    "process_start_time_seconds",
    "Start time of the process since unix epoch in seconds.",
    bootTime + (stat[19] ?? NaN) / TICKS_PER_SECOND,
  );
  add("gauge", "process_virtual_memory_bytes", "Virtual memory size in bytes.", stat[20]);
  add(
    "gauge",
    "process_resident_memory_bytes",
    "Resident memory size in bytes.",
    Number(readText("/proc/self/status")?.match(/^VmRSS:\s+(\d+) kB/m)?.[1] ?? NaN) * 1024,
  );
  add("gauge", "process_open_fds", "Number of open file descriptors.", countOpenFiles());
  add(
    "gauge",
    "process_max_fds",
    "Maximum number of open file descriptors.",
    Number(readText("/proc/self/limits")?.match(/^Max open files\s+(\d+)/m)?.[1] ?? NaN),
  );
  return found;
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

function countOpenFiles(): number | undefined {
  try {
    let count = 0;
    for (const _ of Deno.readDirSync("/proc/self/fd")) count++;
    return count;
  } catch {
    return undefined;
  }
}

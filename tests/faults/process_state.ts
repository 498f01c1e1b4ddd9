/** Open descriptors of a process. */
export function openDescriptors(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/** Resident bytes of a process. */
export function residentBytes(pid: number): number {
  return readStatus(pid, "VmRSS") * 1024;
}

/** The most that was ever resident since {@link resetPeak}, bytes. */
export function peakBytes(pid: number): number {
  return readStatus(pid, "VmHWM") * 1024;
}

/** Lets the peak begin anew. */
export function resetPeak(pid: number): void {
  Deno.writeTextFileSync(`/proc/${pid}/clear_refs`, "5");
}

function readStatus(pid: number, field: string): number {
  const line = Deno.readTextFileSync(`/proc/${pid}/status`).split("\n").find((l) =>
    l.startsWith(`${field}:`)
  );
  return Number(line?.replace(/\D+/g, ""));
}

/** The process of the embedded PostgreSQL that all its others descend from. */
export function postmasterPid(dataDir: string): number {
  return Number(Deno.readTextFileSync(`${dataDir}/postgres/postmaster.pid`).split("\n", 1)[0]);
}

export function isAlive(pid: number): boolean {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) !== "Z";
  } catch {
    return false;
  }
}

/** Names below `uploads/` of the data folder's storage. */
export function uploadFiles(dataDir: string): string[] {
  try {
    return [...Deno.readDirSync(`${dataDir}/storage/uploads`)].map((entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

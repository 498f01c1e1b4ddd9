/** Reads parameters of a location of `DISTRIBUTED_STORAGE_CONFIG`. Errors name the parameter, never its value. */
export type Parameters = Readonly<Record<string, unknown>>;

/** Text, or what can be written as such; `undefined` for nothing. */
export function textOf(parameters: Parameters, name: string): string | undefined {
  const value = parameters[name];
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "object") throw new Error(`${name} must be text`);
  return String(value);
}

export function needed(parameters: Parameters, name: string): string {
  const value = textOf(parameters, name);
  if (value === undefined) throw new Error(`${name} is required`);
  return value;
}

export function flagOf(parameters: Parameters, name: string, fallback: boolean): boolean {
  const value = parameters[name];
  if (value === undefined || value === null) return fallback;
  return value === true || /^(true|yes|1)$/i.test(String(value));
}

const MIB = 1 << 20;

/** A number of units, in bytes. */
export function sizeOf(parameters: Parameters, name: string, unitBytes: number): number | undefined {
  const value = parameters[name];
  if (value === undefined || value === null) return undefined;
  const size = Number(value) * unitBytes;
  if (!(size > 0 && size <= 5 * 1024 * MIB)) {
    throw new Error(`${name} must be a number above 0, 5 GiB at most`);
  }
  return Math.floor(size);
}

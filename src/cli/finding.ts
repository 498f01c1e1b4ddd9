/** One thing that `quaylet check` looked at. Only a `problem` makes its exit code 1. */
export interface Finding {
  subject: "config" | "hostname" | "certificates" | "database" | "storage" | "disk";
  level: "ok" | "note" | "warning" | "problem";
  /** The key or file that it is about, where there is one. */
  key?: string;
  message: string;
  mend?: string;
}

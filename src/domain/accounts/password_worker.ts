/**
 * bcrypt in a thread of its own: in plain JavaScript it keeps a core busy for a quarter of a second. The thread is made
 * of bcryptjs's source text, so that it needs neither a file of its own nor the whole program; it starts in some 15 ms
 * and ends when nothing is left to compute.
 */
import bcryptSource from "bcryptjs" with { type: "text" };
import { AppError } from "../../lib/errors.ts";

export type BcryptTask =
  | { readonly kind: "hash"; readonly password: string; readonly cost: number }
  | { readonly kind: "compare"; readonly password: string; readonly hash: string };

interface Job {
  readonly task: BcryptTask;
  resolve(value: never): void;
  reject(error: Error): void;
}

/** At a quarter of a second each, whoever comes later would wait longer than clients do. */
const QUEUE_MAX = 64;

const jobs = new Map<number, Job>();
let lastId = 0;
let worker: Worker | undefined;

/** @throws {AppError} `too_many_attempts` when too many tasks are waiting */
export function bcryptInWorker(task: BcryptTask & { kind: "hash" }): Promise<string>;
export function bcryptInWorker(task: BcryptTask & { kind: "compare" }): Promise<boolean>;
export function bcryptInWorker(task: BcryptTask): Promise<string | boolean> {
  if (jobs.size >= QUEUE_MAX) {
    const message = "too many passwords are being checked; try again in a moment";
    return Promise.reject(new AppError("too_many_attempts", message, { retry_after: 5 }));
  }
  return new Promise<never>((resolve, reject) => {
    const id = ++lastId;
    jobs.set(id, { task, resolve, reject });
    worker ??= startWorker();
    worker.postMessage({ id, ...task });
  });
}

function startWorker(): Worker {
  const started = new Worker(`data:text/javascript;charset=utf-8,${encodeURIComponent(WORKER_SOURCE)}`, {
    type: "module",
    name: "bcrypt",
  });
  started.onmessage = ({ data }: MessageEvent<{ id: number; value?: never; failed?: string }>) => {
    const job = jobs.get(data.id);
    jobs.delete(data.id);
    if (jobs.size === 0) end(started);
    if (data.failed === undefined) job?.resolve(data.value as never);
    else job?.reject(new Error(`bcrypt: ${data.failed}`));
  };
  started.onerror = (event) => {
    event.preventDefault();
    const waiting = [...jobs.values()];
    jobs.clear();
    end(started);
    for (const job of waiting) job.reject(new Error(`bcrypt thread: ${event.message}`));
  };
  return started;
}

function end(ended: Worker): void {
  ended.terminate();
  if (worker === ended) worker = undefined;
}

/** bcryptjs reaches for Node's crypto only where the platform has none of its own; a data URL can import nothing. */
const WORKER_SOURCE = `${
  String(bcryptSource).replace(/^import nodeCrypto from "crypto";$/m, "const nodeCrypto = undefined;")
}
onmessage = ({ data: { id, kind, password, cost, hash: stored } }) => {
  try {
    postMessage({ id, value: kind === "hash" ? hashSync(password, cost) : compareSync(password, stored) });
  } catch (error) {
    postMessage({ id, failed: error.message });
  }
};`;

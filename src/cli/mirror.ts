import {
  cancelMirror,
  changeMirror,
  createMirror,
  openForMirroring,
  requireMirror,
  syncMirrorNow,
} from "../domain/mirroring/administration.ts";
import { inspectContent, inspectPlan } from "../domain/mirroring/inspection.ts";
import { findMirrorProgress, listMirrors } from "../domain/mirroring/mirrors.ts";
import { type Mirror, statusName } from "../domain/mirroring/model.ts";
import { mirrorDate } from "../domain/mirroring/settings.ts";
import { formatBytes } from "../lib/byte_size.ts";
import { changeFrom, MIRROR_FLAGS, MIRROR_NOTES, MIRROR_USAGE } from "./mirror_flags.ts";
import { followRun, progressLine } from "./mirror_progress.ts";
import { OPERATOR, operatorCommand, type Request } from "./operator.ts";
import { type Output, usageError } from "./output.ts";
import { pathOf, REPOSITORY } from "./repository_path.ts";
import { fields, table } from "./table.ts";

/** Nobody waits for an answer on a connection: a slow link may take its time. */
const INSPECTION_MS = 24 * 3600_000;
const DAY_S = 86_400;

const operands = [REPOSITORY];
const FOLLOW = { follow: { type: "boolean" } } as const;

export const mirrorCommand = operatorCommand({
  name: "mirror",
  summary:
    "repositories that follow another registry: list, show, create, update, enable, disable, sync, cancel, " +
    "progress, preview, verify",
  notes: MIRROR_NOTES,
  subcommands: {
    list: {
      operands: ["NAMESPACE"],
      summary: "the mirrors of a namespace, and how their last runs ended",
      async run({ deps, operands: [namespace = ""] }) {
        const mirrors = await listMirrors(deps, namespace);
        const rows = mirrors.map((mirror) => [
          mirror.name,
          mirror.source.reference,
          mirror.enabled ? statusName(mirror.status) : `${statusName(mirror.status)}, disabled`,
          dateOf(mirror.startMs) ?? "",
        ]);
        return { json: mirrors.map(viewOf), text: table(["NAME", "FROM", "STATUS", "NEXT"], rows) };
      },
    },
    show: {
      operands,
      summary: "what a mirror follows, and how",
      run: async (request) => shown(await mirrorOf(request, "read")),
    },
    create: {
      operands,
      flags: MIRROR_FLAGS,
      usage: `--from HOST/PATH --robot NAMESPACE+NAME ${MIRROR_USAGE}`,
      summary: "makes a repository a mirror; nobody but the robot may push to it from then on",
      check(request) {
        for (const flag of ["from", "robot"]) {
          if (request.text(flag) === undefined) throw usageError(`--${flag} is missing`);
        }
      },
      async run(request) {
        const { deps } = request;
        const change = await changeFrom(request);
        const repository = await opened(request, "change");
        const warnings = await createMirror(deps, OPERATOR, repository, {
          ...change,
          reference: change.reference ?? "",
          robotName: change.robotName ?? "",
          globs: change.globs ?? ["*"],
          intervalS: change.intervalS ?? DAY_S,
          startMs: change.startMs ?? deps.now(),
        });
        return changed(request, "made a mirror of", warnings);
      },
    },
    update: {
      operands,
      flags: MIRROR_FLAGS,
      usage: `[--from HOST/PATH] [--robot NAMESPACE+NAME] ${MIRROR_USAGE}`,
      summary:
        "changes what is named; a run that is under way begins anew, unless only its limits are changed",
      async run(request) {
        const change = await changeFrom(request);
        if (Object.values(change).every((value) => value === undefined)) {
          throw usageError("say what to change");
        }
        const warnings = await changeMirror(request.deps, OPERATOR, await opened(request, "change"), change);
        return changed(request, "changed", warnings);
      },
    },
    enable: { operands, summary: "lets a mirror run by itself", run: (request) => enable(request, true) },
    disable: {
      operands,
      summary: "lets a mirror run on demand only",
      run: (request) => enable(request, false),
    },
    sync: {
      operands,
      flags: FOLLOW,
      usage: "[--follow]",
      summary: "queues a run; the appliance, which has to run, starts it within moments",
      async run(request) {
        await syncMirrorNow(request.deps, OPERATOR, await opened(request, "change"));
        if (request.isSet("follow")) return await followed(request);
        return { json: { queued: true }, text: `queued a run of ${request.operands[0]}\n` };
      },
    },
    cancel: {
      operands,
      summary: "stops the run that is under way; what has come is kept",
      async run(request) {
        await cancelMirror(request.deps, OPERATOR, await opened(request, "change"));
        return { json: { cancelled: true }, text: `cancelled the run of ${request.operands[0]}\n` };
      },
    },
    progress: {
      operands,
      flags: FOLLOW,
      usage: "[--follow]",
      summary: "how far the run is, or how the last one ended",
      async run(request) {
        if (request.isSet("follow")) return await followed(request);
        const mirror = await mirrorOf(request, "read");
        const progress = await findMirrorProgress(request.deps.sql, mirror.repositoryId);
        const status = statusName(mirror.status);
        return { json: { status, progress: progress ?? null }, text: `${progressLine(status, progress)}\n` };
      },
    },
    preview: {
      operands,
      summary: "what a run would do now: asks the other registry and changes nothing",
      async run(request) {
        const mirror = await mirrorOf(request, "change");
        const plan = await inspectPlan(request.deps, mirror, AbortSignal.timeout(INSPECTION_MS));
        const text = fields([
          ["wanted", `${plan.tags.length} tags`],
          ["copied", plan.changed.join(", ") || "none"],
          ["removed", plan.remove.join(", ") || "none"],
          ["to fetch", formatBytes(plan.bytesToFetch)],
          ["here", formatBytes(plan.bytesHere)],
          ...plan.failed.map(({ tag, message }) => [`failed: ${tag}`, message] as const),
        ]);
        return { json: plan, text };
      },
    },
    verify: {
      operands,
      flags: { read: { type: "boolean" } },
      usage: "[--read]",
      summary:
        "holds what is here against the other registry; --read hashes every byte. Fails when it differs",
      async run(request) {
        const mirror = await mirrorOf(request, "change");
        const options = { read: request.isSet("read"), signal: AbortSignal.timeout(INSPECTION_MS) };
        const faults = await inspectContent(request.deps, mirror, options);
        if (faults.length === 0) return { json: { whole: true, faults }, text: "whole\n" };
        const rows = faults.map(({ tag, digest, message }) => [tag, digest ?? "", message]);
        return {
          json: { whole: false, faults },
          text: table(["TAG", "DIGEST", "FAULT"], rows),
          failed: true,
        };
      },
    },
  },
});

function opened(request: Request, how: "read" | "change") {
  return openForMirroring(request.deps, OPERATOR, pathOf(request), how);
}

async function mirrorOf(request: Request, how: "read" | "change"): Promise<Mirror> {
  return await requireMirror(request.deps, await opened(request, how));
}

async function enable(request: Request, enabled: boolean): Promise<Output> {
  const warnings = await changeMirror(request.deps, OPERATOR, await opened(request, "change"), { enabled });
  return changed(request, enabled ? "enabled" : "disabled", warnings);
}

function changed({ operands: [name = ""], io }: Request, done: string, warnings: readonly string[]): Output {
  for (const warning of warnings) io.stderr(`warning: ${warning}\n`);
  return { json: { repository: name, warnings }, text: `${done} ${name}\n` };
}

async function followed(request: Request): Promise<Output> {
  const mirror = await mirrorOf(request, "read");
  const { status, progress } = await followRun(request.deps.sql, mirror.repositoryId, request.io);
  const text = `${progressLine(status, progress)}\n`;
  return { json: { status, progress: progress ?? null }, text, failed: status === "FAIL" };
}

const dateOf = (ms: number | null) => ms === null ? null : mirrorDate(ms);

/** Without credentials: they are never told. */
function viewOf(mirror: Mirror) {
  const { source, rules, limits } = mirror;
  return {
    repository: `${mirror.namespace}/${mirror.name}`,
    from: source.reference,
    signsIn: source.sealedUsername !== null,
    verifyTls: source.verifyTls,
    robot: mirror.robotName,
    enabled: mirror.enabled,
    status: statusName(mirror.status),
    everySeconds: mirror.intervalS,
    next: dateOf(mirror.startMs),
    rules,
    limits,
  };
}

function shown(mirror: Mirror): Output {
  const view = viewOf(mirror);
  const said = (value: object) =>
    Object.entries(value).map(([name, one]) => `${name} ${Array.isArray(one) ? one.join(",") : one}`).join(
      "; ",
    );
  const text = fields([
    ["repository", view.repository],
    ["from", view.from],
    ["signs in", view.signsIn ? "yes" : "no"],
    ["verify TLS", view.verifyTls ? "yes" : "no"],
    ["robot", view.robot],
    ["enabled", view.enabled ? "yes" : "no"],
    ["status", view.status],
    ["every", `${view.everySeconds} s`],
    ["next", view.next ?? ""],
    ["rules", said(view.rules)],
    ["limits", said(view.limits) || "none"],
  ]);
  return { json: view, text };
}

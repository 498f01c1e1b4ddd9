import * as z from "zod";
import {
  cancelMirror,
  changeMirror,
  createMirror,
  openForMirroring,
  requireMirror,
  syncMirrorNow,
} from "../../domain/mirroring/administration.ts";
import { inspectContent, inspectPlan } from "../../domain/mirroring/inspection.ts";
import { findMirrorProgress } from "../../domain/mirroring/mirrors.ts";
import { AppError } from "../../lib/errors.ts";
import {
  changedMirrorSchema,
  changeOf,
  mirrorSchema,
  mirrorView,
  newMirrorSchema,
  newSettingsOf,
} from "./mirror_settings.ts";
import { progressSchema, progressView } from "./mirror_progress.ts";
import {
  type ApiReply,
  type ApiRequest,
  defineRoute,
  NO_CONTENT,
  reply,
  repositoryPath,
  type Route,
} from "./route.ts";

/** Other registries are slow, and somebody waits. */
const PREVIEW_MS = 120_000;
const VERIFY_MS = 600_000;

const failedTagSchema = z.object({ tag: z.string(), reason: z.string(), message: z.string() });
const previewSchema = z.object({
  tags: z.array(z.string()).meta({ description: "Those that the rules name." }),
  changed: z.array(z.string()).meta({ description: "Of them those that would be copied." }),
  remove: z.array(z.string()).meta({ description: "Those that would end here." }),
  bytes_to_fetch: z.int().meta({ description: "Bytes of layers that would cross the network." }),
  bytes_here: z.int().meta({ description: "Bytes of the changed tags that are here already." }),
  failed: z.array(failedTagSchema),
});
const verifySchema = z.object({
  whole: z.boolean(),
  faults: z.array(z.object({ tag: z.string(), digest: z.string().nullable(), message: z.string() })),
});

type MirrorRequest = Pick<ApiRequest<"repository">, "deps" | "actor" | "params">;

function opened({ deps, actor, params }: MirrorRequest, how: "read" | "change") {
  return openForMirroring(deps, actor, repositoryPath(params.repository), how);
}

export const mirrorRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/mirror",
    operationId: "getRepoMirrorConfig",
    summary: "What a repository mirrors, and how. Passwords are never told.",
    scope: "repo:admin",
    responses: { 200: mirrorSchema },
    async handle(request) {
      const repository = await opened(request, "read");
      return reply(mirrorView(request.deps, await requireMirror(request.deps, repository)));
    },
  }),
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/mirror",
    operationId: "createRepoMirrorConfig",
    summary:
      "Makes a repository a mirror. 409 when it is one. The answer has a body only when there is a warning: " +
      "{warnings}, for a host that does not resolve at the moment.",
    scope: "repo:admin",
    body: newMirrorSchema,
    responses: { 201: null, 409: z.object({ detail: z.string() }) },
    async handle(request) {
      const { deps, actor, body } = request;
      const repository = await opened(request, "change");
      try {
        return accepted(await createMirror(deps, actor, repository, newSettingsOf(body)));
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== "already_exists") throw error;
        return reply({ detail: error.publicMessage }, 409);
      }
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/repository/{repository}/mirror",
    operationId: "changeRepoMirrorConfig",
    summary: "Changes what is given of a mirror. The answer is that of its creation.",
    scope: "repo:admin",
    body: changedMirrorSchema,
    responses: { 201: null },
    async handle(request) {
      const { deps, actor, body } = request;
      const repository = await opened(request, "change");
      return accepted(await changeMirror(deps, actor, repository, changeOf(body)));
    },
  }),
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/mirror/sync-now",
    operationId: "syncNow",
    summary: "Queues a run. 404 while one is under way.",
    scope: "repo:admin",
    responses: { 204: null },
    async handle(request) {
      const { deps, actor } = request;
      await syncMirrorNow(deps, actor, await opened(request, "change"));
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/mirror/sync-cancel",
    operationId: "syncCancel",
    summary: "Stops a run. 404 when there is none.",
    scope: "repo:admin",
    responses: { 204: null },
    async handle(request) {
      const { deps, actor } = request;
      await cancelMirror(deps, actor, await opened(request, "change"));
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/mirror/progress",
    operationId: "getRepoMirrorProgress",
    summary: "How far the run is, or how the last one ended. Quaylet's own.",
    scope: "repo:admin",
    responses: { 200: progressSchema },
    async handle(request) {
      const { deps } = request;
      const repository = await opened(request, "read");
      const mirror = await requireMirror(deps, repository);
      return reply(progressView(mirror, await findMirrorProgress(deps.sql, repository.id)));
    },
  }),
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/mirror/preview",
    operationId: "previewRepoMirror",
    summary: "What a run would do now; asks the other registry and changes nothing. Quaylet's own.",
    scope: "repo:admin",
    responses: { 200: previewSchema },
    async handle(request) {
      const { deps } = request;
      const mirror = await requireMirror(deps, await opened(request, "change"));
      const plan = await inspectPlan(deps, mirror, AbortSignal.timeout(PREVIEW_MS));
      const { tags, changed, remove, bytesToFetch, bytesHere, failed } = plan;
      return reply({ tags, changed, remove, bytes_to_fetch: bytesToFetch, bytes_here: bytesHere, failed });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/mirror/verify",
    operationId: "verifyRepoMirror",
    summary: "Holds what is here against what the other registry has by now. Quaylet's own.",
    scope: "repo:admin",
    body: z.object({
      read: z.boolean().default(false).meta({ description: "Read every byte from storage and hash it." }),
    }),
    responses: { 200: verifySchema },
    async handle(request) {
      const { deps, body: { read } } = request;
      const mirror = await requireMirror(deps, await opened(request, "change"));
      const faults = await inspectContent(deps, mirror, { read, signal: AbortSignal.timeout(VERIFY_MS) });
      return reply({
        whole: faults.length === 0,
        faults: faults.map(({ tag, digest = null, message }) => ({ tag, digest, message })),
      });
    },
  }),
];

/** Quay's empty answer; what should be looked at comes with it. */
export function accepted(warnings: readonly string[], status = 201): ApiReply {
  return warnings.length === 0 ? { status } : reply({ warnings }, status);
}

import * as z from "zod";
import {
  addLabel,
  checkLabelKey,
  findLabel,
  type LabelledManifest,
  type LabelRow,
  listLabels,
  removeLabel,
} from "../../domain/content/manifest_labels.ts";
import { findSecurityStatus } from "../../domain/content/manifest_security.ts";
import {
  findManifest,
  type LayerView,
  type ManifestView,
  viewManifest,
} from "../../domain/content/manifest_view.ts";
import {
  openForChanges,
  openRepository,
  type RepositoryRow,
} from "../../domain/repositories/repositories.ts";
import { AppError } from "../../lib/errors.ts";
import { booleanParam, rfc2822 } from "./fields.ts";
import { type ApiRequest, defineRoute, NO_CONTENT, reply, repositoryPath, type Route } from "./route.ts";

const layerSchema = z.object({
  index: z.int(),
  compressed_size: z.int(),
  is_remote: z.boolean(),
  urls: z.array(z.string()).nullable(),
  command: z.array(z.string()).nullable(),
  comment: z.string().nullable(),
  author: z.string().nullable(),
  blob_digest: z.string(),
  created_datetime: z.string().nullable(),
});

const manifestSchema = z.object({
  digest: z.string(),
  is_manifest_list: z.boolean(),
  manifest_data: z.string().meta({ description: "The manifest's own JSON, as it was pushed." }),
  config_media_type: z.string().nullable(),
  layers_compressed_size: z.int(),
  layers: z.array(layerSchema).nullable().meta({ description: "Base first; null for an index." }),
});

const labelMediaType = z.enum(["text/plain", "application/json"]);

const labelSchema = z.object({
  id: z.string(),
  key: z.string(),
  value: z.string(),
  source_type: z.enum(["manifest", "api", "internal"]),
  media_type: z.string(),
});

export const manifestRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/manifest/{manifestref}",
    operationId: "getRepoManifest",
    summary: "A manifest by its digest, with the layers and what made them.",
    scope: "repo:read",
    responses: { 200: manifestSchema },
    async handle({ deps, actor, params }) {
      const repository = await openRepository(deps, actor, repositoryPath(params.repository), "read");
      return reply(manifestBody(await viewManifest(deps, repository.id, params.manifestref)));
    },
  }),
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/manifest/{manifestref}/labels",
    operationId: "listManifestLabels",
    summary: "Labels of a manifest.",
    scope: "repo:read",
    query: z.object({
      filter: z.string().default("").meta({ description: "Only keys that start so." }),
    }),
    responses: { 200: z.object({ labels: z.array(labelSchema) }) },
    async handle(request) {
      const { manifest } = await openManifest(request, "read");
      const labels = await listLabels(request.deps, manifest.id, request.query.filter);
      return reply({ labels: labels.map(labelView) });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/manifest/{manifestref}/labels",
    operationId: "addManifestLabel",
    summary: "Attaches a label to a manifest.",
    scope: "repo:write",
    body: z.object({
      key: z.string(),
      value: z.string(),
      media_type: labelMediaType.nullable().meta({ description: "null: by what the value looks like." }),
    }),
    responses: { 201: z.object({ label: labelSchema }) },
    async handle(request) {
      const { deps, actor, body, params, baseUrl } = request;
      const check = () => checkLabelKey(deps, body.key);
      const { repository, manifest } = await openManifest(request, "change", check);
      const wanted = { ...body, mediaType: body.media_type };
      const label = await addLabel(deps, { actor, repository }, manifest, wanted);
      const address =
        `${baseUrl}/api/v1/repository/${params.repository}/manifest/${params.manifestref}/labels/`;
      return reply({ label: labelView(label) }, 201, { Location: encodeURI(address) + label.uuid });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/manifest/{manifestref}/labels/{labelid}",
    operationId: "getManifestLabel",
    summary: "A label of a manifest.",
    scope: "repo:read",
    responses: { 200: labelSchema },
    async handle(request) {
      const { manifest } = await openManifest(request, "read");
      return reply(labelView(await findLabel(request.deps, manifest.id, request.params.labelid)));
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/repository/{repository}/manifest/{manifestref}/labels/{labelid}",
    operationId: "deleteManifestLabel",
    summary: "Takes a label from a manifest, if the API has made it.",
    scope: "repo:write",
    responses: { 204: null },
    async handle(request) {
      const { deps, actor, params } = request;
      const { repository, manifest } = await openManifest(request, "change");
      await removeLabel(deps, { actor, repository }, manifest, params.labelid);
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/manifest/{manifestref}/security",
    operationId: "getRepoManifestSecurity",
    summary: "Vulnerabilities of a manifest. Only with FEATURE_SECURITY_SCANNER.",
    scope: "repo:read",
    query: z.object({ vulnerabilities: booleanParam(false) }),
    responses: {
      200: z.object({
        status: z.enum(["queued", "failed", "unsupported", "manifest_layer_too_large"]),
        data: z.null(),
      }),
    },
    async handle({ deps, actor, params }) {
      if (!deps.config.FEATURE_SECURITY_SCANNER) throw new AppError("feature_disabled", "Not Found");
      const repository = await openRepository(deps, actor, repositoryPath(params.repository), "read");
      return reply({ status: await findSecurityStatus(deps, repository.id, params.manifestref), data: null });
    },
  }),
];

/** @param check what else must hold before anything is said about the manifest */
async function openManifest(
  { deps, actor, params }: ApiRequest<"repository" | "manifestref">,
  need: "read" | "change",
  check: () => void = () => {},
): Promise<{ repository: RepositoryRow; manifest: LabelledManifest }> {
  const path = repositoryPath(params.repository);
  const repository = need === "read"
    ? await openRepository(deps, actor, path, "read")
    : await openForChanges(deps, actor, path);
  check();
  const { id, digest } = await findManifest(deps, repository.id, params.manifestref);
  return { repository, manifest: { id, digest } };
}

function manifestBody({ row, isIndex, layers }: ManifestView): z.infer<typeof manifestSchema> {
  return {
    digest: row.digest,
    is_manifest_list: isIndex,
    manifest_data: row.bytes,
    config_media_type: row.configMediaType,
    layers_compressed_size: row.layersCompressedSize ?? 0,
    layers: layers?.map(layerView) ?? null,
  };
}

function layerView(layer: LayerView, index: number): z.infer<typeof layerSchema> {
  return {
    index,
    compressed_size: layer.compressedBytes,
    is_remote: layer.remote,
    urls: layer.urls === null ? null : [...layer.urls],
    command: layer.command === null ? null : [layer.command],
    comment: layer.comment,
    author: layer.author,
    blob_digest: layer.blobDigest,
    created_datetime: rfc2822(layer.createdMs),
  };
}

function labelView(label: LabelRow): z.infer<typeof labelSchema> {
  return {
    id: label.uuid,
    key: label.key,
    value: label.value,
    source_type: label.source as z.infer<typeof labelSchema>["source_type"],
    media_type: label.mediaType,
  };
}

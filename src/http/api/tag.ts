import * as z from "zod";
import { openForChanges, openRepository } from "../../domain/repositories/repositories.ts";
import { changeTag } from "../../domain/content/tag_changes.ts";
import { removeTagForGood, restoreTag } from "../../domain/content/time_machine.ts";
import {
  deleteTag,
  findIndexChildren,
  type IndexChildRow,
  listTagHistory,
  type TagFilter,
  type TagPeriodRow,
} from "../../domain/content/tags.ts";
import { AppError } from "../../lib/errors.ts";
import { isIndexMediaType } from "../../oci/media_types.ts";
import { booleanParam, integerParam, rfc2822 } from "./fields.ts";
import { defineRoute, NO_CONTENT, reply, repositoryPath, type Route } from "./route.ts";

const MOST_ON_A_PAGE = 100;

const tagSchema = z.object({
  name: z.string(),
  reversion: z.boolean().meta({ description: "It was restored." }),
  start_ts: z.int().optional().meta({ description: "Epoch seconds." }),
  end_ts: z.int().optional().meta({ description: "Epoch seconds; absent: it has no end." }),
  manifest_digest: z.string(),
  is_manifest_list: z.boolean(),
  size: z.int().meta({ description: "Bytes of the layers; 0 for an index." }),
  last_modified: z.string().optional(),
  expiration: z.string().optional(),
  immutable: z.boolean().meta({ description: "It cannot be moved, deleted or given an end." }),
  is_sparse: z.boolean().optional().meta({ description: "Of an index: not all that it names is here." }),
  child_manifest_count: z.int().optional(),
  present_child_count: z.int().optional(),
  child_manifests_presence: z.record(z.string(), z.boolean()).optional().meta({
    description: "By digest, for an index.",
  }),
});

/** What a repository tells of each of its tags. */
export const tagSummarySchema = tagSchema.pick({
  name: true,
  size: true,
  last_modified: true,
  expiration: true,
  manifest_digest: true,
});

export const tagRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/tag/",
    operationId: "listRepoTags",
    summary: "Tags with their past, the youngest first.",
    scope: "repo:read",
    query: z.object({
      specificTag: z.string().optional(),
      filter_tag_name: z.string().optional().meta({ description: "like:PART or eq:NAME" }),
      limit: integerParam(50).meta({ description: "Tags on a page, 1 to 100." }),
      page: integerParam(1),
      onlyActiveTags: booleanParam(false),
    }),
    responses: {
      200: z.object({ tags: z.array(tagSchema), page: z.int(), has_additional: z.boolean() }),
    },
    async handle({ deps, actor, params, query }) {
      const filter = readFilter(query.specificTag, query.filter_tag_name);
      const repository = await openRepository(deps, actor, repositoryPath(params.repository), "read");
      const page = Math.max(1, query.page);
      const limit = Math.min(MOST_ON_A_PAGE, Math.max(1, query.limit));
      const { tags, more } = filter === undefined ? { tags: [], more: false } : await listTagHistory(
        deps,
        repository.id,
        { ...filter, alive: query.onlyActiveTags, offset: (page - 1) * limit, limit },
      );
      const children = await findIndexChildren(deps, tags);
      return reply({
        tags: tags.map((tag) => ({ ...tagView(tag), ...childrenView(children.get(tag.manifestId)) })),
        page,
        has_additional: more,
      });
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/repository/{repository}/tag/{tag}",
    operationId: "changeTag",
    summary: "Moves a tag to a manifest, sets when it ends, or makes it immutable.",
    scope: "repo:write",
    body: z.object({
      manifest_digest: z.string().nullish(),
      expiration: z.number().nullish().meta({ description: "Epoch seconds; null: it never ends." }),
      immutable: z.boolean().nullish().meta({ description: "Back to false only by administrators." }),
    }),
    responses: { 201: z.literal("Updated") },
    async handle({ deps, actor, params, body }) {
      const repository = await openForChanges(deps, actor, repositoryPath(params.repository));
      const { manifest_digest: digest, expiration, immutable } = body;
      await changeTag(deps, actor, repository, params.tag, {
        digest: digest ?? undefined,
        endMs: typeof expiration === "number" ? Math.floor(expiration * 1000) : expiration,
        immutable: immutable ?? undefined,
      });
      return reply("Updated", 201);
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/repository/{repository}/tag/{tag}",
    operationId: "deleteFullTag",
    summary: "Deletes a tag; it can be restored for a while.",
    scope: "repo:write",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      const repository = await openForChanges(deps, actor, repositoryPath(params.repository));
      if (!await deleteTag(deps, repository.id, params.tag, { actor, repository })) {
        throw new AppError("not_found", "Not Found");
      }
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/tag/{tag}/restore",
    operationId: "restoreTag",
    summary: "Points a tag at a manifest from its past.",
    scope: "repo:write",
    body: z.object({ manifest_digest: z.string() }),
    responses: { 200: z.object({}) },
    async handle({ deps, actor, params, body }) {
      const repository = await openForChanges(deps, actor, repositoryPath(params.repository));
      await restoreTag(deps, actor, repository, params.tag, body.manifest_digest);
      return reply({});
    },
  }),
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/tag/{tag}/expire",
    operationId: "removeTagFromTimemachine",
    summary: "Takes a tag, or what a tag was, past restoring. Only with PERMANENTLY_DELETE_TAGS.",
    scope: "repo:write",
    body: z.object({
      manifest_digest: z.string().nullish(),
      include_submanifests: z.boolean().nullish(),
      is_alive: z.boolean().nullish(),
    }),
    responses: { 200: null },
    async handle({ deps, actor, params, body }) {
      if (!deps.config.PERMANENTLY_DELETE_TAGS) throw new AppError("feature_disabled", "Not Found");
      const repository = await openForChanges(deps, actor, repositoryPath(params.repository));
      const { manifest_digest: digest, include_submanifests: withChildren, is_alive: live } = body;
      if (live !== true && typeof digest !== "string") {
        throw new AppError("invalid_request", "manifest_digest is needed unless is_alive is true");
      }
      await removeTagForGood(deps, actor, repository, params.tag, {
        target: live === true ? { live } : { endedWithDigest: digest as string },
        withChildren: withChildren === true,
      });
      return { status: 200 };
    },
  }),
];

/** Undefined when nothing can fit. @throws {AppError} `invalid_request` */
function readFilter(specificTag: string | undefined, filter: string | undefined): TagFilter | undefined {
  const name = specificTag === "" ? undefined : specificTag;
  if (filter === undefined || filter === "") return { name };
  const [, operation, value = ""] = /^(like|eq):(.*)$/s.exec(filter) ?? [];
  if (operation === undefined) {
    throw new AppError("invalid_request", "filter_tag_name must be like:PART or eq:NAME");
  }
  if (operation === "like") return { name, part: value };
  return name === undefined || name === value ? { name: value } : undefined;
}

function tagView(tag: TagPeriodRow): z.infer<typeof tagSchema> {
  const startS = Math.floor(tag.startMs / 1000);
  const endS = tag.endMs === null ? undefined : Math.floor(tag.endMs / 1000);
  return {
    name: tag.name,
    reversion: tag.reversion,
    ...(startS > 0 ? { start_ts: startS } : {}),
    ...(endS === undefined ? {} : { end_ts: endS }),
    manifest_digest: tag.digest,
    is_manifest_list: isIndexMediaType(tag.mediaType),
    size: tag.sizeBytes ?? 0,
    ...(startS > 0 ? { last_modified: rfc2822(startS * 1000) } : {}),
    ...(endS === undefined ? {} : { expiration: rfc2822(endS * 1000) }),
    immutable: tag.immutable,
  };
}

function childrenView(children: readonly IndexChildRow[] | undefined) {
  if (children === undefined) return {};
  const present = children.filter((child) => child.present).length;
  return {
    is_sparse: present < children.length,
    child_manifest_count: children.length,
    present_child_count: present,
    child_manifests_presence: Object.fromEntries(children.map(({ digest, present }) => [digest, present])),
  };
}

export function tagSummary(tag: TagPeriodRow): z.infer<typeof tagSummarySchema> {
  const { name, size, last_modified, expiration, manifest_digest } = tagView(tag);
  return {
    name,
    size,
    ...(last_modified === undefined ? {} : { last_modified }),
    ...(expiration === undefined ? {} : { expiration }),
    manifest_digest,
  };
}

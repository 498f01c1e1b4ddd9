import { parseDuration } from "../config/duration.ts";
import type { Deps } from "../domain/deps.ts";
import type { RepositoryRow } from "../domain/repositories/repositories.ts";
import { changeTag } from "../domain/content/tag_changes.ts";
import { removeTagForGood, restoreTag } from "../domain/content/time_machine.ts";
import { deleteTag, listTagHistory, type TagFilter, type TagPeriodRow } from "../domain/content/tags.ts";
import { AppError } from "../lib/errors.ts";
import { OPERATOR, operatorCommand, type Request } from "./operator.ts";
import { usageError } from "./output.ts";
import { openNamed, openNamedForChanges, pathOf, REPOSITORY } from "./repository_path.ts";
import { table } from "./table.ts";

const PAGE = 500;
const operands = [REPOSITORY, "TAG"];

export const tagCommand = operatorCommand({
  name: "tag",
  summary: "tags: list, history, move, delete, restore, expire",
  notes: "A tag that was deleted or moved can be restored for the time that its namespace keeps tags.",
  subcommands: {
    list: {
      operands: [REPOSITORY],
      flags: { filter: { type: "string" } },
      usage: "[--filter PART]",
      summary: "the tags of a repository, the youngest first",
      check: pathOf,
      async run(request) {
        const { id } = await openNamed(request);
        const tags = await allTags(request.deps, id, { part: request.text("filter") }, true);
        return {
          json: tags.map(tagJson),
          text: table(
            ["TAG", "DIGEST", "SIZE", "CREATED", "ENDS"],
            tags.map((tag) => [tag.name, tag.digest, size(tag), isoDate(tag.startMs), ends(tag)]),
          ),
        };
      },
    },
    history: {
      operands: [REPOSITORY],
      flags: { tag: { type: "string" } },
      usage: "[--tag TAG]",
      summary: "what each tag, or one, meant when",
      check: pathOf,
      async run(request) {
        const { id } = await openNamed(request);
        const tags = await allTags(request.deps, id, { name: request.text("tag") }, false);
        return {
          json: tags.map(tagJson),
          text: table(
            ["TAG", "DIGEST", "FROM", "TO", ""],
            tags.map((tag) => [
              tag.name,
              tag.digest,
              isoDate(tag.startMs),
              ends(tag),
              tag.reversion ? "restored" : "",
            ]),
          ),
        };
      },
    },
    move: {
      operands: [...operands, "DIGEST|TAG"],
      summary: "lets a tag mean another manifest of the repository; a tag that is not there is made",
      check: pathOf,
      async run(request) {
        const repository = await openNamedForChanges(request);
        const [, tag = "", target = ""] = request.operands;
        const digest = await digestOf(request.deps, repository, target);
        await changeTag(request.deps, OPERATOR, repository, tag, { digest });
        return done(request, `${tag} is ${digest}`, { digest });
      },
    },
    delete: {
      operands,
      flags: { permanently: { type: "boolean" } },
      usage: "[--permanently]",
      summary: "deletes a tag; --permanently (with PERMANENTLY_DELETE_TAGS) past restoring",
      check: pathOf,
      async run(request) {
        const repository = await openNamedForChanges(request);
        const [, tag = ""] = request.operands;
        if (request.isSet("permanently")) {
          const removal = { target: { live: true }, withChildren: true } as const;
          await removeTagForGood(request.deps, OPERATOR, repository, tag, removal);
        } else if (!await deleteTag(request.deps, repository.id, tag, { actor: OPERATOR, repository })) {
          throw noTag(tag);
        }
        return done(request, `deleted tag ${tag}`, { deleted: true });
      },
    },
    restore: {
      operands: [...operands, "DIGEST"],
      summary: "lets a tag mean again what it, or another tag, once meant",
      check: pathOf,
      async run(request) {
        const repository = await openNamedForChanges(request);
        const [, tag = "", digest = ""] = request.operands;
        await restoreTag(request.deps, OPERATOR, repository, tag, digest);
        return done(request, `restored ${tag} to ${digest}`, { digest });
      },
    },
    expire: {
      operands,
      flags: { at: { type: "string" }, in: { type: "string" }, never: { type: "boolean" } },
      usage: "(--at TIME | --in SPAN | --never)",
      summary: "sets when a tag ends by itself: TIME as 2030-01-31T12:00:00Z, SPAN as 2w",
      check: (request) => void [pathOf(request), endOf(request, 0)],
      async run(request) {
        const repository = await openNamedForChanges(request);
        const [, tag = ""] = request.operands;
        const endMs = endOf(request, request.deps.now());
        await changeTag(request.deps, OPERATOR, repository, tag, { endMs });
        // What was asked for may have been cut to LABELED_EXPIRATION_MINIMUM or _MAXIMUM.
        const kept = (await liveTag(request.deps, repository, tag))?.endMs ?? null;
        const words = kept === null ? `${tag} never ends by itself` : `${tag} ends ${isoDate(kept)}`;
        return done(request, words, { ends: kept === null ? null : isoDate(kept) });
      },
    },
  },
});

/** Page by page; the youngest first. */
async function allTags(
  deps: Deps,
  repositoryId: number,
  filter: TagFilter,
  alive: boolean,
): Promise<TagPeriodRow[]> {
  const all: TagPeriodRow[] = [];
  for (;;) {
    const { tags, more } = await listTagHistory(deps, repositoryId, {
      ...filter,
      alive,
      offset: all.length,
      limit: PAGE,
    });
    all.push(...tags);
    if (!more) return all;
  }
}

async function liveTag(deps: Deps, { id }: RepositoryRow, name: string): Promise<TagPeriodRow | undefined> {
  const { tags } = await listTagHistory(deps, id, { name, alive: true, offset: 0, limit: 1 });
  return tags[0];
}

/** A digest as it is; for a tag what it means now. @throws {AppError} `not_found` */
async function digestOf(deps: Deps, repository: RepositoryRow, target: string): Promise<string> {
  if (target.includes(":")) return target;
  const tag = await liveTag(deps, repository, target);
  if (tag === undefined) throw noTag(target);
  return tag.digest;
}

/** Epoch milliseconds; null: never. @throws {RangeError} */
function endOf(request: Pick<Request, "text" | "isSet">, nowMs: number): number | null {
  const [at, span, never] = [request.text("at"), request.text("in"), request.isSet("never")];
  if ([at !== undefined, span !== undefined, never].filter(Boolean).length !== 1) {
    throw usageError("give one of --at, --in and --never");
  }
  if (at !== undefined) {
    const atMs = /^\d{4}-\d\d-\d\d/.test(at) ? Date.parse(at) : NaN;
    if (Number.isNaN(atMs)) throw usageError(`--at "${at}": write a time as 2030-01-31T12:00:00Z`);
    return atMs;
  }
  if (span === undefined) return null;
  const spanMs = parseDuration(span);
  if (spanMs === undefined) throw usageError(`--in "${span}": write a whole number and s, m, h, d or w`);
  return nowMs + spanMs;
}

function done(request: Request, text: string, more: Record<string, unknown>) {
  return { json: { ...pathOf(request), tag: request.operands[1], ...more }, text: `${text}\n` };
}

function tagJson(tag: TagPeriodRow) {
  return {
    name: tag.name,
    digest: tag.digest,
    media_type: tag.mediaType,
    size_bytes: tag.sizeBytes,
    from: isoDate(tag.startMs),
    to: tag.endMs === null ? null : isoDate(tag.endMs),
    restored: tag.reversion,
  };
}

function ends(tag: TagPeriodRow): string {
  return tag.endMs === null ? "" : isoDate(tag.endMs);
}

function size({ sizeBytes }: TagPeriodRow): string {
  return sizeBytes === null ? "" : `${sizeBytes}`;
}

function isoDate(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

function noTag(name: string): AppError {
  return new AppError("not_found", `There is no tag named ${name}`);
}

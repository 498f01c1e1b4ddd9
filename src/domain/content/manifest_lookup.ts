import {
  type LookupQuestion,
  type LookupRow,
  selectByDigests,
  selectByTags,
  selectManifestBytes,
} from "../../drivers/database/queries/manifest.ts";
import { selectMediaTypes } from "../../drivers/database/queries/media_type.ts";
import { createBatcher } from "../../lib/batch.ts";
import { ByteCache } from "../../lib/byte_cache.ts";
import { AppError } from "../../lib/errors.ts";
import type { Digest } from "../../oci/digest.ts";
import { isManifestMediaType, type ManifestMediaType } from "../../oci/media_types.ts";
import type { Reference, RepositoryName } from "../../oci/reference.ts";
import type { Deps } from "../deps.ts";
import { rememberFound } from "./manifest_memory.ts";

/** A manifest without its bytes. */
export interface FoundManifest {
  readonly id: number;
  readonly digest: Digest;
  readonly mediaType: ManifestMediaType;
}

/** What stands behind a reference at this moment. */
export interface Found {
  readonly repositoryId: number;
  readonly namespaceId: number;
  readonly namespaceEnabled: boolean;
  readonly manifest: FoundManifest | undefined;
}

/**
 * The way from a reference to a manifest: the hottest path of the registry. A tag that was moved or deleted is seen by
 * the next request on every thread and node: an answer is remembered only where `Deps.changes` tells of each change
 * before it is acknowledged, otherwise each question goes to the database. Questions of one moment share a statement.
 * Bytes never change under a manifest's id and come from memory.
 */
export interface ManifestLookup {
  /** `undefined` when there is no such image repository. Permission is the caller's question. */
  find(repository: RepositoryName, reference: Reference): Promise<Found | undefined>;
  /** @throws {AppError} `manifest_unknown` when it has been removed since it was found */
  bytes(manifestId: number): Promise<Uint8Array<ArrayBuffer>>;
}

const CACHE_BYTES = 32 * 1024 * 1024;
/** Statements of one kind under way at once: one runs while the next collects its questions. */
const BATCH = { calls: 2, questions: 128 };

interface Question {
  readonly namespace: string;
  readonly name: string;
  readonly reference: string;
}

/** One a thread. */
export function createManifestLookup(
  { sql, now, changes, metrics }: Pick<Deps, "sql" | "now" | "changes" | "metrics">,
): ManifestLookup {
  const cache = new ByteCache<number>(CACHE_BYTES);
  const mediaTypes = new Map<number, string>();

  async function mediaTypeOf(id: number): Promise<ManifestMediaType> {
    if (!mediaTypes.has(id)) {
      for (const row of await selectMediaTypes(sql)) mediaTypes.set(row.id, row.name);
    }
    const name = mediaTypes.get(id);
    if (name === undefined || !isManifestMediaType(name)) {
      throw new AppError("manifest_unknown", "the manifest is of a type that is no longer served");
    }
    return name;
  }

  const askTags = createBatcher<Question, LookupRow>(
    async (questions) => inOrder(await selectByTags(sql, columnsOf(questions), now())),
    BATCH,
  );
  const askDigests = createBatcher<Question, LookupRow>(
    async (questions) => inOrder(await selectByDigests(sql, columnsOf(questions), now())),
    BATCH,
  );
  const askBytes = createBatcher<number, string | undefined>(async (ids) => {
    const rows = new Map((await selectManifestBytes(sql, ids)).map((row) => [row.id, row.bytes]));
    return ids.map((id) => rows.get(id));
  }, { calls: 2, questions: 16 });

  const ask: ManifestLookup["find"] = async ({ namespace, name }, reference) => {
    const row = reference.kind === "tag"
      ? await askTags({ namespace, name, reference: reference.tag })
      : await askDigests({ namespace, name, reference: reference.digest });
    if (row.repositoryId === null) return undefined;
    const manifest = row.manifestId === null ? undefined : {
      id: row.manifestId,
      digest: row.digest as Digest,
      mediaType: await mediaTypeOf(row.mediaTypeId as number),
    };
    return {
      repositoryId: row.repositoryId,
      namespaceId: row.namespaceId as number,
      namespaceEnabled: row.namespaceEnabled === true,
      manifest,
    };
  };

  return {
    find: changes === undefined ? ask : rememberFound(ask, { changes, now, metrics }),

    async bytes(manifestId) {
      const cached = cache.get(manifestId);
      if (cached !== undefined) return cached;
      const text = await askBytes(manifestId);
      if (text === undefined) throw new AppError("manifest_unknown", "manifest unknown");
      const bytes = new TextEncoder().encode(text);
      cache.set(manifestId, bytes);
      return bytes;
    },
  };
}

function columnsOf(questions: readonly Question[]): LookupQuestion {
  return {
    namespaces: questions.map((question) => question.namespace),
    names: questions.map((question) => question.name),
    references: questions.map((question) => question.reference),
  };
}

function inOrder(rows: readonly LookupRow[]): LookupRow[] {
  const ordered: LookupRow[] = [];
  for (const row of rows) ordered[row.ord] = row;
  return ordered;
}

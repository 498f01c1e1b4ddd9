/** Labels that people read, attach and take away; those that a manifest brings are `labels.ts`. */
import {
  deleteLabel,
  insertLabel,
  type LabelRow,
  type NewLabel,
  selectLabel,
  selectLabelsOf,
} from "../../drivers/database/queries/label.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { selectImmutableTagOf } from "../../drivers/database/queries/tag.ts";
import { AppError } from "../../lib/errors.ts";
import { logRepositoryAction, type RepositoryActor } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { isJsonText } from "./labels.ts";
import { tagIsImmutable } from "./tags.ts";

export type { LabelRow };

const KEY_MAX = 255;
const KEY = /^[a-z0-9](?:[a-z0-9]|[-.](?![-.]))*$/;
/** Keys that registries and tools use for themselves; `LABEL_KEY_RESERVED_PREFIXES` adds to them. */
const RESERVED = [
  "com.docker.",
  "io.docker.",
  "org.dockerproject.",
  "org.opencontainers.",
  "io.cncf.",
  "io.kubernetes.",
  "io.k8s.",
  "io.quay",
  "com.coreos",
  "com.tectonic",
  "internal",
  "quay",
];

/** @param prefix of the keys; `""` for all */
export function listLabels(
  { sql }: Pick<Deps, "sql">,
  manifestId: number,
  prefix: string,
): Promise<LabelRow[]> {
  return selectLabelsOf(sql, manifestId, prefix);
}

/** @throws {AppError} `not_found` */
export async function findLabel(
  { sql }: Pick<Deps, "sql">,
  manifestId: number,
  uuid: string,
): Promise<LabelRow> {
  const label = await selectLabel(sql, manifestId, uuid);
  if (label === undefined) throw new AppError("not_found", "Not Found");
  return label;
}

/** @throws {AppError} `invalid_request` for a key that is no key, or not for people to set */
export function checkLabelKey({ config }: Pick<Deps, "config">, key: string): void {
  if ([...RESERVED, ...config.LABEL_KEY_RESERVED_PREFIXES].some((prefix) => key.startsWith(prefix))) {
    throw new AppError("invalid_request", "Label has a reserved prefix");
  }
  if (key.length > KEY_MAX || !KEY.test(key) || /[-.]$/.test(key)) {
    throw new AppError(
      "invalid_request",
      "A label's key is 1-255 of a-z 0-9 . - and neither starts nor ends with . or -, nor has two of them in a row",
    );
  }
}

/** A manifest that labels are changed of. */
export interface LabelledManifest {
  readonly id: number;
  readonly digest: string;
}

type ChangeDeps = Pick<Deps, "sql" | "config" | "now">;

/**
 * Attaches a label; the same again is a second one, as in Quay.
 * @param by the caller has checked write permission, the repository's state, and {@link checkLabelKey}
 * @param label.mediaType null: by what the value looks like
 */
export async function addLabel(
  deps: ChangeDeps,
  by: RepositoryActor,
  manifest: LabelledManifest,
  label: { key: string; value: string; mediaType: NewLabel["mediaType"] | null },
): Promise<LabelRow> {
  const { key, value } = label;
  const mediaType = label.mediaType ?? (isJsonText(value) ? "application/json" : "text/plain");
  return await deps.sql.begin(async (tx) => {
    await refuseImmutable({ ...deps, sql: tx }, manifest.id);
    const uuid = await insertLabel(tx, {
      repositoryId: by.repository.id,
      manifestId: manifest.id,
      source: "api",
      label: { key, value, mediaType },
    });
    const added = await selectLabel(tx, manifest.id, uuid);
    if (added === undefined) throw new Error("a new label was not there");
    await logLabel({ ...deps, sql: tx }, by, manifest, "manifest_label_add", added);
    return added;
  });
}

/** What an immutable tag points at keeps its labels. @throws {AppError} `tag_immutable` */
async function refuseImmutable(
  { sql, now }: { readonly sql: Sql } & Pick<Deps, "now">,
  manifestId: number,
): Promise<void> {
  const name = await selectImmutableTagOf(sql, manifestId, now());
  if (name !== undefined) throw tagIsImmutable(name);
}

async function logLabel(
  deps: Parameters<typeof logRepositoryAction>[0],
  by: RepositoryActor,
  manifest: LabelledManifest,
  kind: "manifest_label_add" | "manifest_label_delete",
  { uuid, key, value, mediaType }: LabelRow,
): Promise<void> {
  await logRepositoryAction(deps, by, kind, {
    id: uuid,
    key,
    value,
    media_type: mediaType,
    manifest_digest: manifest.digest,
  });
}

/**
 * @param by the caller has checked write permission and the repository's state
 * @throws {AppError} `not_found`; `invalid_request` for a label that the manifest itself brought
 */
export async function removeLabel(
  deps: ChangeDeps,
  by: RepositoryActor,
  manifest: LabelledManifest,
  uuid: string,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    await refuseImmutable({ ...deps, sql: tx }, manifest.id);
    const label = await selectLabel(tx, manifest.id, uuid);
    if (label === undefined) throw new AppError("not_found", "Not Found");
    if (!label.mutable) throw new AppError("invalid_request", "Only labels made by the API can be deleted");
    if (!await deleteLabel(tx, manifest.id, label.id)) throw new AppError("not_found", "Not Found");
    await logLabel({ ...deps, sql: tx }, by, manifest, "manifest_label_delete", label);
  });
}

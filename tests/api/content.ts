import {
  confirmAuthorizedEmailByCode,
  insertAuthorizedEmail,
  selectAuthorizedEmail,
} from "../../src/drivers/database/queries/authorized_email.ts";
import { createRepository, type RepositoryRef } from "../../src/domain/repositories/repositories.ts";
import { putManifest } from "../../src/domain/content/manifests.ts";
import type { Deps } from "../../src/domain/deps.ts";
import { blobKey, type Digest, digestOf } from "../../src/oci/digest.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media_types.ts";
import { LAYER } from "../manifests/fixture.ts";
import { OPERATOR } from "./site.ts";

/** What a test says of an image: the rest does not matter to it. */
export interface ImageWish {
  /** Makes it another image than those with other words. */
  word: string;
  tag?: string;
  labels?: Record<string, string>;
  /** The image configuration's `history`; one entry for the one layer unless given. */
  history?: unknown[];
  annotations?: Record<string, string>;
}

/** Pushes into one repository without the registry protocol. */
export class Content {
  private constructor(private readonly deps: Deps, readonly repository: RepositoryRef) {}

  /** Makes the repository `namespace/name`. */
  static async of(deps: Deps, path: string, visibility: "public" | "private" = "private"): Promise<Content> {
    const [namespace = "", name = ""] = path.split("/");
    return new Content(deps, await createRepository(deps, OPERATOR, { namespace, name, visibility }));
  }

  async image(wish: ImageWish): Promise<Digest> {
    const { word, labels = {}, annotations = {} } = wish;
    const history = wish.history ??
      [{ created: "2026-01-02T03:04:05.123456789Z", created_by: `RUN ${word}` }];
    const config = await this.#blob(
      JSON.stringify({ word, config: { Labels: labels }, history }),
      OCI_CONFIG,
    );
    const layers = [await this.#blob(word, LAYER)];
    return await this.#push(
      { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers, annotations },
      wish.tag,
    );
  }

  /** An index of images that are there. */
  async index(children: readonly Digest[], tag?: string): Promise<Digest> {
    const manifests = children.map((digest) => ({ mediaType: OCI_MANIFEST, digest, size: 1 }));
    return await this.#push({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }, tag);
  }

  async #push(
    manifest: Record<string, unknown> & { mediaType: string },
    tag: string | undefined,
  ): Promise<Digest> {
    const bytes = new TextEncoder().encode(JSON.stringify(manifest));
    const digest = digestOf(bytes);
    await putManifest(this.deps, this.repository.id, {
      bytes,
      contentType: manifest.mediaType,
      reference: tag === undefined ? { kind: "digest", digest } : { kind: "tag", tag },
      tags: [],
    });
    return digest;
  }

  async #blob(text: string, mediaType: string) {
    const bytes = new TextEncoder().encode(text);
    const digest = digestOf(bytes);
    const { sql, storage } = this.deps;
    await storage.driver.write(blobKey(digest), [bytes] as unknown as AsyncIterable<Uint8Array>);
    await sql`
      with stored as (
        insert into imagestorage (uuid, image_size, uploading, cas_path, content_checksum)
        values (gen_random_uuid()::text, ${bytes.byteLength}, false, true, ${digest})
        on conflict (content_checksum) do update set image_size = excluded.image_size returning id
      )
      insert into uploadedblob (repository_id, blob_id, uploaded_at, expires_at)
      select ${this.repository.id}, id, now() at time zone 'utc', (now() at time zone 'utc') + interval '1 hour' from stored`;
    return { mediaType, digest, size: bytes.byteLength };
  }
}

/** Gives the site a clock that the test moves. */
export function stopClock(deps: Deps, ms: number): { ms: number } {
  const clock = { ms };
  Object.assign(deps, { now: () => clock.ms });
  return clock;
}

/** An address that may get the repository's notifications, as if its owner had followed the link. */
export async function authorizeEmail(sql: Deps["sql"], repositoryId: number, email: string): Promise<void> {
  await insertAuthorizedEmail(sql, repositoryId, email);
  const asked = await selectAuthorizedEmail(sql, repositoryId, email);
  await confirmAuthorizedEmailByCode(sql, asked!.code);
}

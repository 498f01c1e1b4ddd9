import type { Deps } from "../../src/domain/deps.ts";
import type { Pool } from "../../src/drivers/database/postgres.ts";
import { registryRoutes } from "../../src/http/registry/registry.ts";
import { blobKey, type Digest, digestOf } from "../../src/oci/digest.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media_types.ts";
import { bearerFor } from "../blobs/bearer.ts";
import { testDeps, withDatabase } from "../database.ts";

export type Grants = Record<string, ("pull" | "push")[]>;

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly [field: string]: unknown;
}

/** Everything below `/v2` in this process, over a real database, with `acme/app` to push to. */
export interface TestRegistry {
  readonly deps: Deps;
  readonly sql: Pool;
  readonly repositoryId: number;
  /** Epoch ms that the registry takes for now; tests move it. */
  clock: { ms: number };
  bearer(grants: Grants): Promise<string>;
  /** With a token that may pull and push `acme/app`, unless `headers` has another. */
  call(method: string, path: string, init?: { body?: BodyInit; headers?: HeadersInit }): Promise<Response>;
  /** Puts a blob into `acme/app` without the upload protocol. */
  blob(text: string, mediaType?: string): Promise<Descriptor>;
  /** PUT /v2/acme/app/manifests/<reference>; the content type is the manifest's own. */
  push(reference: string, manifest: unknown, contentType?: string): Promise<Response>;
  /** An image manifest whose blobs are there; `fields` are laid over it. */
  image(text: string, fields?: Record<string, unknown>, config?: unknown): Promise<Record<string, unknown>>;
  /** Pushes an image by digest and describes it. */
  child(text: string, fields?: Record<string, unknown>, config?: unknown): Promise<Descriptor>;
}

export const LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";

export function withRegistry(
  fn: (registry: TestRegistry) => Promise<void>,
  config: Partial<Deps["config"]> = {},
): Promise<void> {
  return withDatabase(async (sql) => {
    const clock = { ms: Date.now() };
    const base = await testDeps(sql);
    const deps: Deps = { ...base, config: { ...base.config, ...config }, now: () => clock.ms };
    const repositoryId = await seed(sql);
    const handle = registryRoutes(deps);
    const usual = await bearerFor(deps, { "acme/app": ["pull", "push"] });

    const call: TestRegistry["call"] = (method, path, init = {}) => {
      const headers = new Headers(init.headers);
      if (!headers.has("authorization")) headers.set("authorization", usual);
      const raw = new Request(`http://registry.test${path}`, { method, headers, ...bodyOf(init) });
      return handle(raw, {
        requestId: "test",
        clientAddress: "127.0.0.1",
        scheme: "http",
        host: "registry.test",
        route: "",
      });
    };
    const blob: TestRegistry["blob"] = async (text, mediaType = LAYER) => {
      const bytes = new TextEncoder().encode(text);
      const digest = digestOf(bytes);
      await deps.storage.driver.write(blobKey(digest), [bytes] as unknown as AsyncIterable<Uint8Array>);
      await sql`
        with stored as (
          insert into imagestorage (uuid, image_size, uploading, cas_path, content_checksum)
          values (gen_random_uuid()::text, ${bytes.byteLength}, false, true, ${digest})
          on conflict (content_checksum) do update set image_size = excluded.image_size returning id
        )
        insert into uploadedblob (repository_id, blob_id, uploaded_at, expires_at)
        select ${repositoryId}, id, now() at time zone 'utc', (now() at time zone 'utc') + interval '1 hour' from stored`;
      return { mediaType, digest, size: bytes.byteLength };
    };
    const push: TestRegistry["push"] = (reference, manifest, contentType) => {
      const body = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
      const own = typeof manifest === "object" ? (manifest as { mediaType?: string }).mediaType : undefined;
      const headers = { "content-type": contentType ?? own ?? OCI_MANIFEST };
      return call("PUT", `/v2/acme/app/manifests/${reference}`, { body, headers });
    };
    const image: TestRegistry["image"] = async (text, fields = {}, imageConfig = {}) => ({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: await blob(JSON.stringify({ unique: text, config: imageConfig }), OCI_CONFIG),
      layers: [await blob(text)],
      ...fields,
    });
    const child: TestRegistry["child"] = async (text, fields, imageConfig) => {
      const body = JSON.stringify(await image(text, fields, imageConfig));
      const digest = digestOf(body);
      const response = await push(digest, body);
      if (response.status !== 201) {
        throw new Error(`push of a child: ${response.status} ${await response.text()}`);
      }
      await response.body?.cancel();
      return { mediaType: OCI_MANIFEST, digest, size: body.length };
    };
    await fn({
      deps,
      sql,
      repositoryId,
      clock,
      bearer: (grants) => bearerFor(deps, grants),
      call,
      blob,
      push,
      image,
      child,
    });
  });
}

function bodyOf(init: { body?: BodyInit }): RequestInit {
  return init.body === undefined ? {} : { body: init.body };
}

export function index(manifests: readonly unknown[], fields: Record<string, unknown> = {}) {
  return { schemaVersion: 2, mediaType: OCI_INDEX, manifests, ...fields };
}

async function seed(sql: Pool): Promise<number> {
  const [owner] = await sql<{ id: number }[]>`
    insert into "user" (uuid, username, email, organization, robot, verified, enabled, invoice_email,
      invalid_login_attempts, last_invalid_login, removed_tag_expiration_s)
    values (gen_random_uuid()::text, 'acme', 'acme', true, false, false, true, false, 0, now(), 1209600) returning id`;
  if (owner === undefined) throw new Error("no owner");
  return await addRepository(sql, owner.id, "app", "private");
}

/** Adds an image repository to a namespace. */
export async function addRepository(
  sql: Pool,
  namespaceId: number,
  name: string,
  visibility: "public" | "private",
): Promise<number> {
  const [row] = await sql<{ id: number }[]>`
    insert into repository (namespace_user_id, name, visibility_id, description, badge_token, kind_id, trust_enabled, state)
    select ${namespaceId}, ${name}, v.id, '', gen_random_uuid()::text, k.id, false, 0
    from visibility v, repositorykind k where v.name = ${visibility} and k.name = 'image' returning id`;
  if (row === undefined) throw new Error("no repository");
  return row.id;
}

/** Asserts an OCI error body and returns its entry. */
export async function expectError(
  response: Response,
  status: number,
  code: string,
): Promise<{ code: string; message: string; detail: Record<string, unknown>; is_readonly?: boolean }> {
  const text = await response.text();
  if (response.status !== status) {
    throw new Error(`expected ${status} ${code}, got ${response.status} ${text}`);
  }
  const [entry] = JSON.parse(text).errors;
  if (entry.code !== code) throw new Error(`expected ${code}, got ${text}`);
  return entry;
}

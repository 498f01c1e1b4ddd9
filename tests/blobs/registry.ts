import type { Deps } from "../../src/domain/deps.ts";
import { createUploadWorkspace } from "../../src/domain/content/upload_workspace.ts";
import type { UploadDeps } from "../../src/domain/content/upload_session.ts";
import type { Pool } from "../../src/drivers/database/postgres.ts";
import type { StorageDriver } from "../../src/drivers/storage/driver.ts";
import { createFilesystemDriver } from "../../src/drivers/storage/filesystem.ts";
import type { RegistryRequest } from "../../src/http/registry/base.ts";
import { handleBlob } from "../../src/http/registry/blobs.ts";
import { errorResponse } from "../../src/http/registry/errors.ts";
import { parseRegistryPath, splitUrl } from "../../src/http/registry/route.ts";
import { handleUploads } from "../../src/http/registry/uploads.ts";
import { AppError } from "../../src/lib/errors.ts";
import { testDeps, withDatabase } from "../database.ts";
import { bearerFor } from "./bearer.ts";

export type Grants = Record<string, ("pull" | "push")[]>;

/** Blob and upload routes over a real socket, a real database and a real disk. */
export interface TestRegistry {
  readonly deps: Deps & UploadDeps;
  readonly sql: Pool;
  /** Folder of the filesystem driver. */
  readonly root: string;
  readonly url: string;
  readonly port: number;
  /** Ids of `acme/app`, `acme/other` (private) and `acme/open` (public). */
  readonly ids: { readonly app: number; readonly other: number; readonly open: number };
  bearer(grants: Grants): Promise<string>;
  /** With a token that may pull and push `acme/app`, unless `headers` has another. */
  call(method: string, path: string, init?: { body?: BodyInit; headers?: HeadersInit }): Promise<Response>;
  /** Names of the files below the storage root, sorted. */
  files(): Promise<string[]>;
}

export async function withRegistry(
  fn: (registry: TestRegistry) => Promise<void>,
  wrap: (driver: StorageDriver) => StorageDriver = (driver) => driver,
  overrides: Partial<Deps["config"]> = {},
): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "quaylet-blobs-" });
  try {
    await withDatabase(async (sql) => {
      const base = await testDeps(sql);
      const deps: Deps & UploadDeps = {
        ...base,
        config: { ...base.config, ...overrides },
        storage: { name: "default", driver: wrap(createFilesystemDriver({ root })) },
        uploads: createUploadWorkspace(),
      };
      const ids = await seed(sql);
      const server = Deno.serve(
        { port: 0, hostname: "127.0.0.1", onListen() {} },
        (raw) => answer(deps, raw),
      );
      try {
        const port = server.addr.port;
        const url = `http://127.0.0.1:${port}`;
        const usual = await bearerFor(deps, { "acme/app": ["pull", "push"] });
        await fn({
          deps,
          sql,
          root,
          url,
          port,
          ids,
          bearer: (grants) => bearerFor(deps, grants),
          call: (method, path, init = {}) => {
            const headers = new Headers(init.headers);
            if (!headers.has("authorization")) headers.set("authorization", usual);
            const body = init.body === undefined ? {} : { body: init.body };
            return fetch(`${url}${path}`, { method, headers, ...body });
          },
          async files() {
            const names: string[] = [];
            for await (const { key } of deps.storage.driver.list("")) names.push(key);
            return names.sort();
          },
        });
      } finally {
        await server.shutdown();
      }
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function answer(deps: Deps & UploadDeps, raw: Request): Promise<Response> {
  const { path, search } = splitUrl(raw.url);
  const route = parseRegistryPath(path);
  const request = { raw, route, search, requestId: "test", clientAddress: "127.0.0.1" } as RegistryRequest;
  try {
    if (route?.kind === "blob") return await handleBlob(deps, { ...request, route });
    if (route?.kind === "upload" || route?.kind === "uploads") {
      return await handleUploads(deps, { ...request, route });
    }
    return new Response("no such route", { status: 404 });
  } catch (error) {
    if (error instanceof AppError) return errorResponse(error);
    console.error(error);
    return new Response("unexpected", { status: 500 });
  }
}

async function seed(sql: Pool): Promise<TestRegistry["ids"]> {
  const [owner] = await sql<{ id: number }[]>`
    insert into "user" (uuid, username, email, organization, robot, verified, enabled, invoice_email,
      invalid_login_attempts, last_invalid_login, removed_tag_expiration_s)
    values (gen_random_uuid()::text, 'acme', 'acme', true, false, false, true, false, 0, now(), 1209600) returning id`;
  const make = async (name: string, visibility: string) => {
    const [row] = await sql<{ id: number }[]>`
      insert into repository (namespace_user_id, name, visibility_id, description, badge_token, kind_id, trust_enabled, state)
      select ${owner!.id}, ${name}, v.id, '', gen_random_uuid()::text, k.id, false, 0
      from visibility v, repositorykind k where v.name = ${visibility} and k.name = 'image' returning id`;
    return row!.id;
  };
  return {
    app: await make("app", "private"),
    other: await make("other", "private"),
    open: await make("open", "public"),
  };
}

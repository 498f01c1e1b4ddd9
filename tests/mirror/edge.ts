/** A registry that mirrors, without HTTP: a database, a disk, the real client for other registries. */
import assert from "node:assert/strict";
import type { Config } from "../../src/config/schema.ts";
import type { Actor } from "../../src/domain/access/access.ts";
import { findBlob, openBlob } from "../../src/domain/content/blobs.ts";
import type { Deps } from "../../src/domain/deps.ts";
import { type RunLimits, unlimited } from "../../src/domain/mirroring/limits.ts";
import { findMirror } from "../../src/domain/mirroring/mirrors.ts";
import type { Mirror, RunOutcome } from "../../src/domain/mirroring/model.ts";
import { RunProgress } from "../../src/domain/mirroring/progress.ts";
import type { MirrorRules } from "../../src/domain/mirroring/rules.ts";
import { runMirror } from "../../src/domain/mirroring/run.ts";
import { createOrganization } from "../../src/domain/organizations/organizations.ts";
import { createRepository } from "../../src/domain/repositories/repositories.ts";
import { createRobot } from "../../src/domain/accounts/robots.ts";
import { type BufferPool, createUploadWorkspace } from "../../src/domain/content/upload_workspace.ts";
import { selectManifestDetail } from "../../src/drivers/database/queries/manifest.ts";
import { insertMirror } from "../../src/drivers/database/queries/mirror.ts";
import { selectLiveTags } from "../../src/drivers/database/queries/mirrored_tag.ts";
import { REPOSITORY_STATE, updateRepositoryState } from "../../src/drivers/database/queries/repository.ts";
import { insertAccount } from "../../src/drivers/database/queries/user.ts";
import type { StorageDriver } from "../../src/drivers/storage/driver.ts";
import { createFilesystemDriver } from "../../src/drivers/storage/filesystem.ts";
import { connectUpstream } from "../../src/drivers/upstream/client.ts";
import { connectNamespace } from "../../src/drivers/upstream/namespace.ts";
import type { UpstreamSite } from "../../src/drivers/upstream/transport.ts";
import { createHostGuard } from "../../src/lib/ssrf.ts";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { parseManifest } from "../../src/oci/manifest.ts";
import { testDeps, withDatabase } from "../database.ts";

const OPERATOR: Actor = { kind: "operator" };

export interface EdgeOptions {
  readonly config?: Partial<Config>;
  readonly site?: Partial<UpstreamSite>;
  readonly storage?: (driver: StorageDriver) => StorageDriver;
}

export interface MirrorSettings {
  readonly reference: string;
  readonly rules?: MirrorRules;
  readonly username?: string;
  readonly password?: string;
  readonly verifyTls?: boolean;
  readonly proxy?: Record<string, string>;
  readonly startMs?: number;
  readonly intervalS?: number;
  readonly enabled?: boolean;
  readonly timeoutS?: number;
}

export class Edge {
  readonly buffers: BufferPool = createUploadWorkspace().buffers;
  #mirrors = 0;

  constructor(readonly deps: Deps, readonly root: string) {}

  /** A new repository `acme/mirrorN` that follows `settings.reference`. */
  async mirror(settings: MirrorSettings): Promise<Mirror> {
    const { deps } = this;
    const name = `mirror${++this.#mirrors}`;
    const { id } = await createRepository(deps, OPERATOR, { namespace: "acme", name, visibility: "private" });
    const [robot] = await deps.sql<{ id: number }[]>`select id from "user" where username = 'acme+mirror'`;
    const { globs, ...rules } = settings.rules ?? { globs: ["*"] };
    const seal = (text: string | undefined) => text === undefined ? null : deps.secrets.encrypt(text);
    assert.ok(
      await insertMirror(deps.sql, {
        repositoryId: id,
        robotId: robot!.id,
        enabled: settings.enabled ?? true,
        reference: settings.reference,
        sealedUsername: seal(settings.username),
        sealedPassword: seal(settings.password),
        registryConfigJson: JSON.stringify({
          verify_tls: settings.verifyTls ?? false,
          ...(settings.proxy && { proxy: settings.proxy }),
        }),
        globsJson: JSON.stringify(globs),
        rulesJson: JSON.stringify(rules),
        limitsJson: "{}",
        architecturesJson: null,
        intervalS: settings.intervalS ?? 3600,
        startMs: settings.startMs ?? Date.now() - 1000,
        timeoutS: settings.timeoutS ?? 300,
      }),
    );
    await updateRepositoryState(deps.sql, id, REPOSITORY_STATE.MIRROR);
    return await findMirror(deps.sql, id) as Mirror;
  }

  async find(repositoryId: number): Promise<Mirror> {
    return await findMirror(this.deps.sql, repositoryId) as Mirror;
  }

  async run(
    mirror: Mirror,
    { signal = new AbortController().signal, limits = unlimited() }: {
      signal?: AbortSignal;
      limits?: RunLimits;
    } = {},
  ): Promise<RunOutcome & { progress: ReturnType<RunProgress["snapshot"]> }> {
    const progress = new RunProgress(Date.now);
    const outcome = await runMirror({ ...this.deps, buffers: this.buffers }, mirror, {
      limits,
      report: progress.report,
      signal,
    });
    return { ...outcome, progress: progress.snapshot() };
  }

  /** Live tags of the mirror's repository with what they point at. */
  async tags(mirror: Mirror): Promise<Record<string, string>> {
    const rows = await selectLiveTags(this.deps.sql, mirror.repositoryId, Date.now());
    return Object.fromEntries(rows.map(({ name, digest }) => [name, digest]).sort());
  }

  /** Reads a manifest and all under it from disk; every byte is checked. @returns the digests of all manifests */
  async readWhole(mirror: Mirror, digest: string): Promise<string[]> {
    const { deps } = this;
    const row = await selectManifestDetail(deps.sql, mirror.repositoryId, digest, Date.now());
    assert.ok(row, `manifest ${digest} is there`);
    assert.equal(digestOf(row.bytes), digest);
    const manifest = parseManifest(new TextEncoder().encode(row.bytes), row.mediaType);
    for (const part of manifest.config === undefined ? [] : [manifest.config, ...manifest.layers]) {
      assert.equal(await this.hashOf(mirror, part.digest), part.digest);
    }
    const below = [];
    for (const child of manifest.children) below.push(...await this.readWhole(mirror, child.digest));
    return [digest, ...below];
  }

  async hashOf(mirror: Mirror, digest: Digest): Promise<string> {
    const blob = await findBlob(this.deps, mirror.repositoryId, digest);
    assert.ok(blob, `blob ${digest} is there`);
    const bytes = new Uint8Array(await new Response(await openBlob(this.deps, blob)).arrayBuffer());
    return digestOf(bytes);
  }

  async logKinds(mirror: Mirror): Promise<{ kind: string; metadata: Record<string, string> }[]> {
    const rows = await this.deps.sql<{ kind: string; metadata: string }[]>`
      select k.name as kind, l.metadata_json as metadata from logentry3 l join logentrykind k on k.id = l.kind_id
      where l.repository_id = ${mirror.repositoryId} and k.name like 'repo_mirror%' order by l.id`;
    return rows.map(({ kind, metadata }) => ({ kind, metadata: JSON.parse(metadata) }));
  }

  async uploads(): Promise<string[]> {
    const names: string[] = [];
    for await (const { key } of this.deps.storage.driver.list("uploads/")) names.push(key);
    return names;
  }
}

export async function withEdge(options: EdgeOptions, test: (edge: Edge) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "quaylet-edge-" });
  try {
    await withDatabase(async (sql) => {
      await test(await makeEdge(sql, root, options));
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function makeEdge(sql: Deps["sql"], root: string, options: EdgeOptions): Promise<Edge> {
  const wrap = options.storage ?? ((driver: StorageDriver) => driver);
  const allowed = options.config?.SSRF_ALLOWED_HOSTS ?? ["127.0.0.0/8", "::1"];
  const site: UpstreamSite = {
    extraCas: [],
    isReachable: createHostGuard(allowed).isReachable,
    proxy: { httpProxy: null, httpsProxy: null, noProxy: null },
    firstPauseMs: 5,
    silenceMs: 2_000,
    now: Date.now,
    ...options.site,
  };
  const deps = testDeps(sql, {
    config: { FEATURE_REPO_MIRROR: true, ...options.config },
    storage: { name: "default", driver: wrap(createFilesystemDriver({ root })) },
    upstream: (wanted) => connectUpstream(wanted, site),
    upstreamNamespace: (wanted) => connectNamespace(wanted, site),
  });
  await furnish(deps);
  return new Edge(deps, root);
}

/** The organization `acme` with its robot `acme+mirror`. */
export async function furnish(deps: Deps): Promise<void> {
  await insertAccount(deps.sql, {
    username: "alice",
    email: "alice@example.org",
    passwordHash: null,
    verified: true,
    kind: "user",
    tagExpirationS: 1_209_600,
    nowMs: Date.now(),
  });
  await createOrganization(deps, OPERATOR, { name: "acme", owner: "alice" });
  await createRobot(deps, OPERATOR, { namespace: "acme", short: "mirror" });
}

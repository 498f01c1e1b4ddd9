/** An edge whose organization `acme` follows the namespace `base` of another registry. */
import assert from "node:assert/strict";
import type { Actor } from "../../src/domain/access/access.ts";
import { SYNC_STATUS } from "../../src/domain/mirroring/model.ts";
import {
  createOrganizationMirror,
  openForOrganizationMirroring,
  requireOrganizationMirror,
} from "../../src/domain/mirroring/organization_administration.ts";
import { listDiscovered } from "../../src/domain/mirroring/organization_steering.ts";
import type { OrganizationMirror } from "../../src/domain/mirroring/organization_mirrors.ts";
import type { NewOrganizationMirror } from "../../src/domain/mirroring/organization_settings.ts";
import { findMirror } from "../../src/domain/mirroring/mirrors.ts";
import type { Mirror } from "../../src/domain/mirroring/model.ts";
import { findRepository } from "../../src/domain/repositories/repositories.ts";
import { startOrganizationMirrorWorker } from "../../src/workers/organization_mirror.ts";
import { startMirrorWorker } from "../../src/workers/repo_mirror.ts";
import { eventually } from "../database/cluster.ts";
import { type Edge, type EdgeOptions, withEdge } from "../mirror/edge.ts";
import { type FakeNamespace, HARBOR_ACCOUNT, QUAY_TOKEN, startFakeHarbor } from "./fake_parents.ts";

export const OPERATOR: Actor = { kind: "operator" };

export const CONFIG = {
  FEATURE_REPO_MIRROR: true,
  FEATURE_ORG_MIRROR: true,
  ORG_MIRROR_INTERVAL: 1,
  REPO_MIRROR_INTERVAL: 1,
  SSRF_ALLOWED_HOSTS: ["127.0.0.1"],
};

export class MirroringEdge {
  constructor(readonly edge: Edge) {}

  get deps() {
    return this.edge.deps;
  }

  organization() {
    return openForOrganizationMirroring(this.deps, OPERATOR, "acme", "change");
  }

  async follow(host: string, settings: Partial<NewOrganizationMirror> = {}): Promise<OrganizationMirror> {
    const { product = "quay" } = settings;
    const credentials = product === "quay" ? { password: QUAY_TOKEN } : HARBOR_ACCOUNT;
    await createOrganizationMirror(this.deps, OPERATOR, await this.organization(), {
      product,
      registryUrl: `http://${host}`,
      namespace: "base",
      verifyTls: false,
      robotName: "acme+mirror",
      visibility: "private",
      intervalS: 3600,
      startMs: Math.floor(Date.now() / 1000) * 1000 - 5000,
      ...credentials,
      ...settings,
    });
    return await this.find();
  }

  async find(): Promise<OrganizationMirror> {
    return await requireOrganizationMirror(this.deps, await this.organization());
  }

  /** Status by name of what was discovered. */
  async statuses(): Promise<Record<string, number>> {
    const page = { page: 1, limit: 500, status: undefined };
    const { rows } = await listDiscovered(this.deps, await this.find(), page);
    return Object.fromEntries(rows.map(({ name, status }) => [name, status]));
  }

  /** What is said about each of them, where something is. */
  async words(): Promise<Record<string, string>> {
    const page = { page: 1, limit: 500, status: undefined };
    const { rows } = await listDiscovered(this.deps, await this.find(), page);
    return Object.fromEntries(
      rows.flatMap(({ name, statusMessage }) => statusMessage ? [[name, statusMessage]] : []),
    );
  }

  async mirrorOf(name: string): Promise<Mirror> {
    const repository = await findRepository(this.deps.sql, "acme", name);
    assert.ok(repository, `repository acme/${name}`);
    const mirror = await findMirror(this.deps.sql, repository.id);
    assert.ok(mirror, `mirror of acme/${name}`);
    return mirror;
  }

  async tags(name: string): Promise<Record<string, string>> {
    return await this.edge.tags(await this.mirrorOf(name));
  }

  /** Waits for the discovery and for every run. */
  async settled(): Promise<void> {
    await eventually(async () => {
      const { status, statusMessage } = await this.find();
      assert.equal(status, SYNC_STATUS.SUCCESS, statusMessage ?? undefined);
      const others = Object.entries(await this.statuses()).filter(([, s]) =>
        s !== SYNC_STATUS.SUCCESS && s !== 4
      );
      assert.deepEqual(others, []);
    }, 30_000);
  }

  /** Waits until the repository's run has succeeded. */
  async ran(name: string): Promise<void> {
    await eventually(async () => assert.equal((await this.statuses())[name], SYNC_STATUS.SUCCESS), 30_000);
  }

  /** With the workers at work. */
  async working(fn: () => Promise<void>): Promise<void> {
    const stops = [startOrganizationMirrorWorker(this.deps), startMirrorWorker(this.deps)];
    try {
      await fn();
    } finally {
      for (const stop of stops) await stop();
    }
  }

  /** As if its next turn had come. */
  async rediscovered(): Promise<OrganizationMirror> {
    await this.deps.sql`
      update orgmirrorconfig set sync_status = 0, sync_retries_remaining = 3, status_message = null,
        sync_start_date = now() at time zone 'utc' - interval '5 seconds'`;
    return await this.discovered();
  }

  /** One discovery by the worker, and nothing else: the next round, in which a failed one is tried again, is far away. */
  async discovered(): Promise<OrganizationMirror> {
    const config = { ...this.deps.config, ORG_MIRROR_INTERVAL: 3600 };
    const stop = startOrganizationMirrorWorker({ ...this.deps, config });
    try {
      return await eventually(async () => {
        const mirror = await this.find();
        assert.notEqual(mirror.statusMessage, null);
        assert.notEqual(mirror.status, SYNC_STATUS.SYNCING);
        return mirror;
      }, 30_000);
    } finally {
      await stop();
    }
  }
}

export async function withMirroringEdge(
  test: (edge: MirroringEdge) => Promise<void>,
  options: EdgeOptions = {},
): Promise<void> {
  const config = { ...CONFIG, ...options.config };
  await withEdge({ ...options, config }, (edge) => test(new MirroringEdge(edge)));
}

/** The product that a fake is. */
export function productOf(start: () => FakeNamespace): "quay" | "harbor" {
  return start === startFakeHarbor ? "harbor" : "quay";
}

import assert from "node:assert/strict";
import { expect } from "@std/testing";
import { createRepository } from "../../src/domain/repositories/repositories.ts";
import { rowsOf } from "../logs/rows.ts";
import { randomBytes } from "../mirror/images.ts";
import { startFakeQuay, withNamespace } from "./fake_parents.ts";
import { OPERATOR, withMirroringEdge } from "./mirroring_edge.ts";

Deno.test("a discovery writes its start, what it makes and its end; runs of what it made have kinds of their own", () =>
  withNamespace(startFakeQuay, (fake) =>
    withMirroringEdge(async (edge) => {
      fake.image("v1", [randomBytes(1000, 1)]);
      fake.repositories.push("app", "taken");
      await edge.follow(fake.host);
      // As it may be where FEATURE_ORG_MIRROR was off for a while.
      const deps = { ...edge.deps, config: { ...edge.deps.config, FEATURE_ORG_MIRROR: false } };
      await createRepository(deps, OPERATOR, { namespace: "acme", name: "taken", visibility: "private" });
      await edge.working(() => edge.ran("app"));
      const rows = (await rowsOf(edge.deps)).filter(({ kind }) => kind.startsWith("org_mirror_"));
      const entry = (
        kind: string,
        { performer = null, repository = null, ...metadata }: Record<string, unknown>,
      ) => ({
        kind,
        account: "acme",
        performer,
        repository,
        ip: null,
        metadata: { namespace: "acme", ...metadata },
      });
      const from = `${fake.host}/base`;
      const what = `'${from}/app' with tag pattern '*'`;
      expect(rows).toEqual([
        entry("org_mirror_enabled", {
          external_registry_type: "quay",
          external_registry_url: `http://${fake.host}`,
          external_namespace: "base",
        }),
        entry("org_mirror_sync_started", { verb: "start", message: `${from}/*` }),
        entry("org_mirror_repo_created", {
          performer: "acme+mirror",
          repository: "app",
          repo: "app",
          external_reference: `${from}/app`,
        }),
        entry("org_mirror_repo_creation_failed", {
          performer: "acme+mirror",
          repo: "taken",
          external_reference: `${from}/taken`,
          error: expect.stringContaining("another repository with that name"),
        }),
        entry("org_mirror_sync_success", {
          verb: "end",
          message: "2 repositories listed, 2 new, 1 made, 1 could not be made",
        }),
        entry("org_mirror_sync_started", { repository: "app", repo: "app", verb: "start", message: what }),
        entry("org_mirror_sync_success", {
          repository: "app",
          repo: "app",
          verb: "end",
          message: what,
          tags: "v1",
        }),
      ]);
    })));

Deno.test("a discovery that fails says so in the organization's log, and a run that fails in the repository's", () =>
  withNamespace(startFakeQuay, (fake) =>
    withMirroringEdge(async (edge) => {
      fake.repositories.push("app");
      await edge.follow(fake.host);
      await edge.discovered();
      fake.insteadOfPage = () => new Response(null, { status: 403 });
      await edge.rediscovered();
      fake.instead = () => new Response(null, { status: 401 });
      assert.equal((await edge.edge.run(await edge.mirrorOf("app"))).kind, "failed");

      const rows = (await rowsOf(edge.deps)).filter(({ kind }) => kind === "org_mirror_sync_failed");
      const failed = (repository: string | null, metadata: Record<string, unknown>) =>
        expect.objectContaining({
          account: "acme",
          repository,
          metadata: { namespace: "acme", verb: "end", ...metadata },
        });
      const from = `${fake.host}/base`;
      expect(rows).toEqual([
        failed(null, { message: `${from}/*`, stderr: expect.stringContaining("403") }),
        failed("app", {
          repo: "app",
          message: `'${from}/app' with tag pattern '*'`,
          tags: "",
          stderr: expect.stringContaining("401"),
        }),
      ]);
    })));

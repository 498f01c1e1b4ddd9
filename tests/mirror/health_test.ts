import { expect } from "@std/testing";
import { createRobot } from "../../src/domain/accounts/robots.ts";
import { createRepository } from "../../src/domain/repositories/repositories.ts";
import type { ApiClient } from "../api/api_client.ts";
import { stopClock } from "../api/content.ts";
import { OPERATOR, type Site, withSite } from "../api/site.ts";

const HEALTH = "/repository/mirror/health";
const NOW = Date.parse("2026-11-24T12:00:00Z");
const HOUR = 3600_000;

interface Scene {
  readonly site: Site;
  readonly root: ApiClient;
  readonly clock: { ms: number };
  /** A mirror of acme's with these columns. */
  mirror(name: string, columns?: Record<string, unknown>, progress?: Record<string, unknown>): Promise<void>;
}

async function withScene(test: (scene: Scene) => Promise<void>): Promise<void> {
  await withSite({ FEATURE_REPO_MIRROR: true }, async (site) => {
    const { deps } = site;
    const clock = stopClock(deps, NOW);
    await createRobot(deps, OPERATOR, { namespace: "acme", short: "mirror" });
    const alice = await site.browserOf("alice");
    await test({
      site,
      clock,
      root: await site.browserOf("root"),
      async mirror(name, columns = {}, progress) {
        const { id } = await createRepository(deps, OPERATOR, {
          namespace: "acme",
          name,
          visibility: "private",
        });
        await alice.expect(201, "POST", `/repository/acme/${name}/mirror`, {
          external_reference: "1.1.1.1/app",
          sync_interval: 3600,
          sync_start_date: "2026-11-24T12:30:00Z",
          root_rule: { rule_kind: "tag_glob_csv", rule_value: ["*"] },
          robot_username: "acme+mirror",
        });
        await deps.sql`update repomirrorconfig set ${
          deps.sql({ sync_status: 1, ...columns })
        } where repository_id = ${id}`;
        if (progress === undefined) return;
        await deps.sql`insert into repomirrorprogress (repository_id, progress, updated_ms)
          values (${id}, ${JSON.stringify(progress)}, ${NOW})`;
      },
    });
  });
}

const at = (ms: number) => new Date(ms);

Deno.test("GET /repository/mirror/health: counts by status, what is under way, and no issues", () =>
  withScene(async ({ root, mirror }) => {
    await mirror("one");
    await mirror("two", { sync_status: 0 });
    await mirror("off", { is_enabled: false, sync_status: -1 });
    await mirror("running", { sync_status: 2, sync_expiration_date: at(NOW + 30_000) }, {
      phase: "copying",
      tagsWanted: 10,
      tagsDone: 3,
      tagsFailed: 1,
    });
    await mirror("waits", { sync_status: 2, sync_expiration_date: at(NOW + HOUR) }, {
      phase: "paused",
      tagsWanted: 4,
      tagsDone: 0,
      tagsFailed: 0,
    });
    const answer = await root.api("GET", HEALTH);
    expect(answer.headers.get("cache-control")).toContain("no-store");
    expect([answer.status, await answer.json()]).toEqual([200, {
      healthy: true,
      workers: { active: 1, configured: 4, status: "healthy" },
      repositories: { total: 4, syncing: 2, paused: 1, completed: 1, failed: 0, never_run: 1 },
      tags_pending: 10,
      last_check: "2026-11-24T12:00:00.000Z",
      issues: [],
    }]);
    expect(await root.expect(200, "GET", "/superuser/mirror/health")).toMatchObject({
      healthy: true,
      repositories: { total: 4 },
    });
  }));

Deno.test("GET /repository/mirror/health: 503 when more than a fifth of what has run failed, and why each did", () =>
  withScene(async ({ site, root, mirror }) => {
    for (const name of ["a", "b", "c", "d"]) await mirror(name);
    await mirror("never", { sync_status: 0 });
    await mirror("bad", { sync_status: -1 }, {
      phase: "failed",
      lastError: "registry.example: no such host",
    });
    expect(await root.expect(200, "GET", HEALTH)).toMatchObject({
      healthy: true,
      repositories: { failed: 1 },
      issues: [{
        severity: "error",
        message: "The last synchronization of repository acme/bad failed: registry.example: no such host",
        timestamp: "2026-11-24T12:00:00.000Z",
      }],
    });
    await mirror("worse", { sync_status: -1 });
    const sick = await root.expect(503, "GET", HEALTH);
    expect(sick).toMatchObject({ healthy: false, workers: { status: "degraded" } });
    expect(sick.issues[0]).toMatchObject({
      severity: "critical",
      message: "33.3% of repositories are failing (threshold: 20.0%)",
    });
    expect(await root.expect(503, "GET", "/superuser/mirror/health")).toMatchObject({ healthy: false });
    // Another namespace has nothing to do with it.
    expect(await root.expect(200, "GET", `${HEALTH}?namespace=alice`)).toMatchObject({
      repositories: { total: 0 },
      issues: [],
    });
    const member = await site.browserOf("carol");
    await member.expect(503, "GET", `${HEALTH}?namespace=acme`);
    for (const path of [HEALTH, `${HEALTH}?namespace=alice`, "/superuser/mirror/health"]) {
      await member.expect(403, "GET", path);
    }
    await site.stranger().expect(401, "GET", HEALTH);
  }));

Deno.test("GET /repository/mirror/health: mirrors that are due and that no worker takes, and that wait for a day", () =>
  withScene(async ({ site, mirror, clock }) => {
    /** Signed in a moment ago. */
    const ask = async (status: number) =>
      (await (await site.browserOf("root")).expect(status, "GET", HEALTH)).issues;
    await mirror("due", { sync_start_date: at(NOW) });
    expect(await ask(200)).toEqual([]);
    clock.ms += 10 * 60_000;
    expect(await ask(503)).toMatchObject([{
      severity: "critical",
      message: "No worker takes the mirrors that are due: one waits since 2026-11-24T12:00:00Z",
    }]);
    // Somebody works, and has much to do.
    await mirror("running", { sync_status: 2, sync_expiration_date: at(NOW + 60 * HOUR) }, {
      phase: "copying",
      tagsWanted: 1,
      tagsDone: 0,
      tagsFailed: 0,
    });
    expect(await ask(200)).toEqual([]);
    clock.ms += 25 * HOUR;
    expect(await ask(200)).toMatchObject([{
      severity: "warning",
      message:
        "Repository acme/due hasn't synced in over 24 hours: it has been due since 2026-11-24T12:00:00Z",
    }]);
  }));

Deno.test("GET /repository/mirror/health?detailed=true: the mirrors, in pages", () =>
  withScene(async ({ root, mirror }) => {
    await mirror("b", { sync_status: -1, sync_retries_remaining: 2 }, { phase: "failed", updatedMs: NOW });
    await mirror("a", {}, { phase: "copying", updatedMs: NOW });
    await mirror("c");
    const page = async (rest: string) => {
      const answer = await root.api("GET", `${HEALTH}?detailed=true&namespace=acme${rest}`);
      return (await answer.json()).repositories;
    };
    const first = await page("&limit=2");
    expect(first.details).toEqual([
      {
        namespace: "acme",
        repository: "a",
        sync_status: "SUCCESS",
        is_enabled: true,
        last_sync: null,
        retries_remaining: 3,
      },
      {
        namespace: "acme",
        repository: "b",
        sync_status: "FAIL",
        is_enabled: true,
        last_sync: "2026-11-24T12:00:00Z",
        retries_remaining: 2,
      },
    ]);
    expect(first.pagination).toEqual({ limit: 2, offset: 0, has_more: true });
    const second = await page("&limit=2&offset=2");
    expect(second.details.map(({ repository }: { repository: string }) => repository)).toEqual(["c"]);
    expect(second.pagination).toEqual({ limit: 2, offset: 2, has_more: false });
    expect((await page("&limit=0")).pagination).toEqual({ limit: 1, offset: 0, has_more: true });
    await root.expect(400, "GET", `${HEALTH}?detailed=true&offset=x`);
    await root.expect(404, "GET", `${HEALTH}?namespace=nowhere`);
  }));

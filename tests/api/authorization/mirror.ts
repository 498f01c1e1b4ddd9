import { findRepository } from "../../../src/domain/repositories/repositories.ts";
import { insertMirror } from "../../../src/drivers/database/queries/mirror.ts";
import type { Resource, RouteRule } from "./rules.ts";
import { existing } from "./world.ts";

const changing = { who: "R:admin", features: ["FEATURE_REPO_MIRROR"] };
const reading = { ...changing, who: "R:admin GRO" };
/** Its credentials cannot be read, and so the other registry is not asked: the answer says so. */
const asking: RouteRule = { ...changing, ok: 520 };

const MIRROR = {
  external_reference: "1.1.1.1/library/app",
  sync_interval: 3600,
  sync_start_date: "2026-11-24T02:00:00Z",
  root_rule: { rule_kind: "tag_glob_csv", rule_value: ["*"] },
  robot_username: "acme+mirror",
};

export const mirrors: Resource = {
  routes: {
    "GET /repository/{repository}/mirror": { ...reading, ok: 200 },
    "GET /repository/{repository}/mirror/progress": { ...reading, ok: 200 },
    // Every repository of the world has one.
    "POST /repository/{repository}/mirror": { ...changing, ok: 409, body: MIRROR },
    "PUT /repository/{repository}/mirror": { ...changing, ok: 201, body: { is_enabled: false } },
    "POST /repository/{repository}/mirror/sync-now": { ...changing, ok: 204 },
    "POST /repository/{repository}/mirror/sync-cancel": { ...changing, ok: 204 },
    "POST /repository/{repository}/mirror/preview": asking,
    "POST /repository/{repository}/mirror/verify": { ...asking, body: {} },
    // Without a namespace it is the whole registry's: tests/mirror/health_test.ts.
    "GET /repository/mirror/health": {
      on: "namespace",
      query: "namespace={namespace}",
      who: "SU GRO M O",
      ok: 200,
      FL: true,
      features: ["FEATURE_REPO_MIRROR"],
    },
    "GET /superuser/mirror/health": {
      who: "SU GRO",
      ok: 200,
      FL: true,
      features: ["FEATURE_REPO_MIRROR", "FEATURE_SUPER_USERS"],
    },
  },
  async prepare(world) {
    const { sql } = world.deps;
    for (const { namespace, repository: name } of existing("repository")) {
      const repository = await findRepository(sql, namespace, name ?? "");
      if (repository === undefined) throw new Error(`${namespace}/${name} is not there`);
      await insertMirror(sql, {
        repositoryId: repository.id,
        robotId: repository.namespaceId,
        // Where a worker runs, it fails; what is disabled does not count against the registry's health.
        enabled: false,
        reference: MIRROR.external_reference,
        sealedUsername: "sealed with another key",
        sealedPassword: null,
        registryConfigJson: "{}",
        globsJson: '["*"]',
        rulesJson: "{}",
        limitsJson: "{}",
        architecturesJson: null,
        intervalS: 3600,
        startMs: Date.now(),
        timeoutS: 300,
      });
    }
    // Queued: that may be asked for again, and cancelled.
    await sql`update repomirrorconfig set sync_status = 3`;
  },
};

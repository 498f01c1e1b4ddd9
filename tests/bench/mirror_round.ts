/** 1,000 mirrors of 50 tags, nothing changed, all due at once: how long until the last one is done. */
import { requestMirrorSync } from "../../src/drivers/database/queries/mirror.ts";
import { openDeps } from "../../src/node.ts";
import { SYNC_STATUS } from "../../src/domain/mirroring/model.ts";
import { type Appliance, startAppliance } from "../appliance.ts";
import { Edge, furnish } from "../mirror/edge.ts";
import { Pusher } from "../mirror/images.ts";
import { freePort, startParent } from "../mirror/parents.ts";
import { cpuSecondsOf } from "./processes.ts";

const TAGS = 50;
const REPOSITORY = "bench/many";

interface RoundOptions {
  readonly mirrors: number;
  /** Of the edge. */
  readonly config: Record<string, unknown>;
}

interface RoundParent {
  readonly what: string;
  readonly host: string;
  readonly pid: number;
  readonly push: Pusher;
  stop(): Promise<unknown>;
}

/**
 * One round from docker-registry, and one from a second Quaylet. The parent works on the same cores: how much of the time
 * was its own is printed too.
 */
export async function measureRounds(options: RoundOptions): Promise<void> {
  console.log(
    `\n| ${options.mirrors} mirrors of ${TAGS} tags, unchanged | one round | processor time of the parent |`,
  );
  console.log("| --- | --- | --- |");
  for (const start of [startDockerRegistry, startQuaylet]) {
    const parent = await start();
    try {
      await measureRound(parent, options);
    } finally {
      await parent.stop();
    }
  }
}

async function startDockerRegistry(): Promise<RoundParent> {
  const { host, url, pid, stop } = await startParent();
  return { what: "docker-registry", host, pid, push: new Pusher(url, REPOSITORY), stop };
}

async function startQuaylet(): Promise<RoundParent> {
  const host = `127.0.0.1:${freePort()}`;
  const appliance: Appliance = await startAppliance({
    http: host,
    config: {
      SERVER_HOSTNAME: host,
      PREFERRED_URL_SCHEME: "http",
      FEATURE_USER_INITIALIZE: true,
      CREATE_PRIVATE_REPO_ON_PUSH: false,
    },
  });
  const user = { username: "bench", password: "correct-horse", email: "bench@example.org" };
  const made = await fetch(`${appliance.httpUrl}/api/v1/user/initialize`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(user),
  });
  if (!made.ok) throw new Error(await made.text());
  await made.body?.cancel();
  const answer = await fetch(
    `${appliance.httpUrl}/v2/auth?service=${host}&scope=repository:${REPOSITORY}:pull,push`,
    { headers: { authorization: `Basic ${btoa(`${user.username}:${user.password}`)}` } },
  );
  const { token } = await answer.json();
  return {
    what: "a second Quaylet",
    host,
    pid: appliance.pid,
    push: new Pusher(appliance.httpUrl, REPOSITORY, `Bearer ${token}`),
    stop: () => appliance.stop(),
  };
}

async function measureRound(parent: RoundParent, { mirrors, config }: RoundOptions): Promise<void> {
  const { push } = parent;
  const layer = await push.blob(new Uint8Array(1000));
  for (let tag = 0; tag < TAGS; tag++) await push.image([layer], { reference: `v${tag}` });
  const dataDir = await Deno.makeTempDir({ prefix: "quaylet-bench-" });
  const appliance = await startAppliance({ dataDir, config });
  try {
    const { deps, close } = await openDeps({ data: dataDir, config: appliance.configDir });
    try {
      await furnish(deps);
      const edge = new Edge(deps, dataDir);
      await furnishMirrors(edge, `${parent.host}/${REPOSITORY}`, mirrors);
      const usedS = await cpuSecondsOf(parent.pid);
      const startMs = performance.now();
      await deps.sql`update repomirrorconfig set is_enabled = true, sync_status = 0,
        sync_start_date = (now() at time zone 'utc') - interval '1 minute', sync_interval = 86400`;
      await untilAllDone(edge, 200);
      const seconds = (performance.now() - startMs) / 1000;
      const parentS = await cpuSecondsOf(parent.pid) - usedS;
      console.log(`| from ${parent.what} | ${seconds.toFixed(1)} s | ${parentS.toFixed(1)} s |`);
    } finally {
      await close();
    }
  } finally {
    await appliance.stop();
    await Deno.remove(dataDir, { recursive: true });
  }
}

/** The first mirror runs; what it has brought is copied to the others in the database. */
async function furnishMirrors(edge: Edge, reference: string, mirrors: number): Promise<void> {
  const { sql } = edge.deps;
  const first = await edge.mirror({ reference, enabled: false });
  await requestMirrorSync(sql, first.repositoryId);
  await untilAllDone(edge, 100);
  for (let i = 1; i < mirrors; i++) await edge.mirror({ reference, enabled: false });
  await copyContent(edge, first.repositoryId);
  await sql`update repomirrorprogress set referrers_checked_ms = ${Date.now()}`;
}

async function untilAllDone({ deps: { sql } }: Edge, everyMs: number): Promise<void> {
  for (;;) {
    const [row] = await sql<{ left: number; failed: number }[]>`
      select count(*) filter (where sync_status <> ${SYNC_STATUS.SUCCESS})::int as left,
        count(*) filter (where sync_status = ${SYNC_STATUS.FAIL})::int as failed from repomirrorconfig`;
    if (row!.failed > 0) throw new Error("a mirror failed");
    if (row!.left === 0) return;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** Gives every other mirror the first one's manifests and tags: copying them one by one would take long. */
async function copyContent({ deps: { sql } }: Edge, repositoryId: number): Promise<void> {
  await sql`
    insert into manifest (repository_id, digest, media_type_id, manifest_bytes, config_media_type,
      layers_compressed_size, subject_backfilled, artifact_type_backfilled)
    select c.repository_id, m.digest, m.media_type_id, m.manifest_bytes, m.config_media_type, m.layers_compressed_size,
      true, true
    from repomirrorconfig c, manifest m where m.repository_id = ${repositoryId} and c.repository_id <> ${repositoryId}`;
  await sql`
    insert into tag (name, repository_id, manifest_id, lifetime_start_ms, tag_kind_id)
    select t.name, copy.repository_id, copy.id, t.lifetime_start_ms, t.tag_kind_id
    from tag t join manifest m on m.id = t.manifest_id join manifest copy on copy.digest = m.digest
    where t.repository_id = ${repositoryId} and not t.hidden and copy.repository_id <> ${repositoryId}`;
  await sql`insert into repomirrorprogress (repository_id, progress, updated_ms)
    select repository_id, '{}', 0 from repomirrorconfig on conflict do nothing`;
}

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "../appliance.ts";
import { Client, eventually } from "./client.ts";
import { isAlive, postmasterPid, uploadFiles } from "./process_state.ts";
import { Ledger, type PushEnd, pushUntilBroken, verify } from "./pushers.ts";
import { Random, seededRandom } from "./random.ts";

const ROUNDS = Number(Deno.env.get("QUAYLET_TEST_KILLS") ?? 50);
const PUSHERS = 6;

const repositoryOf = (pusher: number) => `faults/pusher-${pusher}`;

/** A data folder that outlives the appliances that run on it. */
async function withDataDir(work: (dataDir: string) => Promise<void>): Promise<void> {
  const dataDir = await Deno.makeTempDir({ prefix: "quaylet-kill-" });
  try {
    await work(dataDir);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
}

/** One token for all pushers. Passwords take long to check, and a token outlives a restart. */
async function initialize(appliance: Appliance): Promise<string> {
  await Client.initialize(appliance);
  using client = new Client(appliance.httpUrl, repositoryOf(0));
  await client.logIn(Array.from({ length: PUSHERS }, (_, i) => repositoryOf(i)));
  return client.token;
}

/** Runs pushers; each ends when the service goes away. Resolves when all have. */
function runPushers(
  appliance: Appliance,
  token: string,
  ledgers: readonly Ledger[],
  random: Random,
  until: PushEnd = {},
): Promise<void> {
  const pushers = ledgers.map(async (ledger, index) => {
    using client = new Client(appliance.httpUrl, ledger.repository, token);
    const own = new Random(random.seed + 1000 * index + random.between(0, 999));
    try {
      await pushUntilBroken(client, ledger, own, until);
    } catch (error) {
      // The kill, as a client sees it. A refusal is an AssertionError.
      if (!(error instanceof TypeError)) throw error;
    }
  });
  return Promise.all(pushers).then(() => {});
}

async function verifyAll(
  appliance: Appliance,
  token: string,
  ledgers: readonly Ledger[],
  extent: "recent" | "all" = "recent",
): Promise<void> {
  await Promise.all(ledgers.map(async (ledger) => {
    using client = new Client(appliance.httpUrl, ledger.repository, token);
    await verify(client, ledger, extent);
  }));
}

/** Every file in `uploads/` belongs to a session that a client may go on with. */
async function noOrphans(appliance: Appliance, token: string): Promise<void> {
  const files = uploadFiles(appliance.dataDir);
  const clients = Array.from(
    { length: PUSHERS },
    (_, i) => new Client(appliance.httpUrl, repositoryOf(i), token),
  );
  for (const uuid of files) {
    const statuses = await Promise.all(clients.map(async (client) => {
      return (await client.request("GET", `/v2/${client.repository}/blobs/uploads/${uuid}`)).status;
    }));
    assert.ok(statuses.includes(204), `uploads/${uuid} belongs to no session`);
  }
  for (const client of clients) client.close();
}

Deno.test(`kill -9 during parallel pushes, ${ROUNDS} times: what was acknowledged reads back, nothing else is visible`, async () => {
  const random = seededRandom("kill -9");
  // On two sites at once: each waits for its disk and its database most of the time.
  const acknowledged = await Promise.all([
    killAgainAndAgain(Math.ceil(ROUNDS / 2), new Random(random.seed)),
    killAgainAndAgain(Math.floor(ROUNDS / 2), new Random(random.seed + 1_000_000)),
  ]);
  console.log(`acknowledged and read back: ${acknowledged.join(" and ")} blobs, manifests and tags`);
});

/** Of a site of its own. @returns the number of acknowledgements, all of which read back */
async function killAgainAndAgain(rounds: number, random: Random): Promise<number> {
  const ledgers = Array.from({ length: PUSHERS }, (_, i) => new Ledger(repositoryOf(i)));
  let token = "";
  await withDataDir(async (dataDir) => {
    for (let round = 0; round < rounds; round++) {
      const appliance = await startAppliance({ dataDir });
      try {
        if (round === 0) token = await initialize(appliance);
        await noOrphans(appliance, token);
        await verifyAll(appliance, token, ledgers);
        const broken = runPushers(appliance, token, ledgers, random);
        await new Promise((resolve) => setTimeout(resolve, random.between(50, 600)));
        await appliance.kill();
        await broken;
      } catch (error) {
        await appliance.kill();
        throw new Error(`round ${round}, seed ${random.seed}`, { cause: error });
      }
    }
    await using appliance = await startAppliance({ dataDir });
    await noOrphans(appliance, token);
    await verifyAll(appliance, token, ledgers, "all");
  });
  const acknowledged = ledgers.reduce((sum, ledger) => sum + ledger.acknowledged, 0);
  assert.ok(acknowledged > rounds, `only ${acknowledged} acknowledgements: the rounds test nothing`);
  return acknowledged;
}

Deno.test("PostgreSQL killed during pushes: 503 meanwhile, back within seconds, nothing acknowledged is lost", async () => {
  const random = seededRandom("PostgreSQL killed");
  const ledgers = Array.from({ length: PUSHERS }, (_, i) => new Ledger(repositoryOf(i)));
  await withDataDir(async (dataDir) => {
    const token = await killPostgres(dataDir, ledgers, random);
    // A session that was opened a moment before PostgreSQL died is gone with it: its bytes, which nobody was promised, go
    // at the next start or after ten minutes.
    await using next = await startAppliance({ dataDir });
    await noOrphans(next, token);
    await verifyAll(next, token, ledgers, "all");
  });
});

/** Kills PostgreSQL under a running appliance, five times. @returns a token for all of the repositories */
async function killPostgres(dataDir: string, ledgers: readonly Ledger[], random: Random): Promise<string> {
  await using appliance = await startAppliance({ dataDir });
  const token = await initialize(appliance);
  for (let round = 0; round < 5; round++) {
    // A push that meets the outage is refused with 503; one that was between two statements goes on.
    const over = new AbortController();
    const refused = runPushers(appliance, token, ledgers, random, { tolerated: [503], over: over.signal });
    await new Promise((resolve) => setTimeout(resolve, random.between(100, 600)));
    const killed = postmasterPid(appliance.dataDir);
    Deno.kill(killed, "SIGKILL");
    // Each thread notices on its own, with each of its connections: three quiet seconds mean that all have.
    let refusedAt = performance.now();
    await eventually("a new PostgreSQL, and every thread is back on it", 30_000, async () => {
      using client = new Client(appliance.httpUrl, repositoryOf(0), token); // any thread may take it
      const { status } = await client.request("GET", `/v2/${client.repository}/tags/list`);
      assert.ok(status === 200 || status === 503, `${status}`);
      if (status === 503 || postmasterPid(appliance.dataDir) === killed) refusedAt = performance.now();
      return performance.now() - refusedAt > 3_000;
    });
    over.abort();
    await refused;
    await verifyAll(appliance, token, ledgers);
  }
  const unexpected = appliance.log.filter(({ status, route }) => status === 500 || route === "unknown");
  assert.deepEqual(unexpected, []);
  return token;
}

Deno.test("kill -9 of the appliance alone: the next start takes the orphaned PostgreSQL's place", async () => {
  const random = seededRandom("orphaned PostgreSQL");
  await withDataDir(async (dataDir) => {
    const ledgers = Array.from({ length: PUSHERS }, (_, i) => new Ledger(repositoryOf(i)));
    let token = "";
    for (let round = 0; round < 3; round++) {
      const appliance = await startAppliance({ dataDir });
      if (round === 0) token = await initialize(appliance);
      await verifyAll(appliance, token, ledgers);
      const orphan = postmasterPid(dataDir);
      const broken = runPushers(appliance, token, ledgers, random);
      await new Promise((resolve) => setTimeout(resolve, random.between(100, 600)));
      Deno.kill(appliance.pid, "SIGKILL");
      await broken;
      assert.ok(isAlive(orphan), "PostgreSQL outlives it");
      await using next = await startAppliance({ dataDir });
      await eventually("the orphan is gone", 10_000, () => Promise.resolve(!isAlive(orphan)));
      await verifyAll(next, token, ledgers);
      await noOrphans(next, token);
      await appliance.kill(); // nothing is left of it: this takes its pipes
    }
  });
});

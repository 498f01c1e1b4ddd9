/** An appliance's data folder, filled, with tokens to use it by. */
import { defaultConfig } from "../../src/config/schema.ts";
import { SCOPES } from "../../src/domain/access/access.ts";
import { findUser } from "../../src/domain/accounts/accounts.ts";
import type { Deps } from "../../src/domain/deps.ts";
import { countActions } from "../../src/domain/logs/log_counts.ts";
import { createOauthApplication, issueOauthToken } from "../../src/domain/oauth/tokens.ts";
import { startEmbedded } from "../../src/drivers/database/embedded.ts";
import { locatePostgres } from "../../src/drivers/database/embedded_binaries.ts";
import { migrate } from "../../src/drivers/database/migrate.ts";
import { openPool } from "../../src/drivers/database/postgres.ts";
import { cacheDir } from "../../src/lib/place.ts";
import { silentLogger, testDeps } from "../database.ts";
import { BIG, BIG_REPOSITORY, populate, type Sizes } from "./population.ts";

/** Who calls: the owner of the big organization, one of its members, a superuser. */
export interface Tokens {
  readonly owner: string;
  readonly member: string;
  readonly root: string;
  readonly nobody: "";
}

export const CONFIG = {
  SECRET_KEY: "benchmark-secret-key-0123456789",
  DATABASE_SECRET_KEY: "benchmark-database-key-0123456789",
  SERVER_HOSTNAME: "localhost:8080",
  SUPER_USERS: ["user3"],
  FEATURE_MAILING: false,
};

/** For filling only: the appliance itself runs with its own settings. */
const FILLING = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  shared_buffers: "512MB",
  work_mem: "256MB",
  maintenance_work_mem: "1GB",
  max_wal_size: "8GB",
};

/** Fills the folder, unless an earlier run has. */
export async function fillApplianceFolder(
  dataDir: string,
  sizes: Sizes,
  tell: (what: string) => void,
): Promise<{ tokens: Tokens; config: Record<string, unknown> }> {
  const kept = `${dataDir}/bench-tokens.json`;
  try {
    return { tokens: JSON.parse(await Deno.readTextFile(kept)), config: CONFIG };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await Deno.mkdir(dataDir, { recursive: true });
  const embedded = await startEmbedded({
    binDir: await locatePostgres(Deno.env.toObject(), cacheDir(Deno.env.toObject())),
    dataDir,
    log: silentLogger,
    failed: (reason) => console.error(reason),
    settings: FILLING,
  });
  const sql = openPool({ target: embedded.target, max: 2, applicationName: "bench" });
  try {
    await migrate(sql, silentLogger);
    const deps = testDeps(sql, { config: defaultConfig(CONFIG) });
    await populate(sql, sizes, { sealedToken: deps.secrets.encrypt("X".repeat(64)), tell });
    await sql`update logcounted set until_time = (select min(datetime) from logentry3)`;
    await countActions(deps);
    await sql`vacuum analyze logdailycount`;
    tell("log rows counted");
    const tokens = await issueTokens(deps);
    await sql`checkpoint`;
    await Deno.writeTextFile(kept, JSON.stringify(tokens));
    return { tokens, config: CONFIG };
  } finally {
    await sql.end({ timeout: 5 });
    await embedded.stop();
  }
}

/** Gives the callers their places in the big organization. */
export async function issueTokens(deps: Deps): Promise<Tokens> {
  const { sql } = deps;
  await sql`
    insert into teammember (user_id, team_id)
    select u.id, t.id from "user" u, team t join "user" o on o.id = t.organization_id
    where o.username = ${BIG} and (u.username, t.name) in (('user1', 'owners'), ('user2', 'team5'), ('user2', 'team6'))
    on conflict do nothing`;
  await sql`
    insert into repositorypermission (user_id, repository_id, role_id)
    select u.id, r.id, 3 from "user" u, repository r join "user" o on o.id = r.namespace_user_id
    where u.username = 'user2' and o.username = ${BIG} and r.name = ${BIG_REPOSITORY}
    on conflict do nothing`;
  const token = async (username: string) => {
    const { id: userId } = await findUser(deps, username);
    const applicationId = await createOauthApplication(deps, {
      ownerId: userId,
      clientId: `bench-${username}`,
      name: "bench",
      description: "",
    });
    return await issueOauthToken(deps, { applicationId, userId, scopes: SCOPES, lifetimeS: 400 * 86_400 });
  };
  return {
    owner: await token("user1"),
    member: await token("user2"),
    root: await token("user3"),
    nobody: "",
  };
}

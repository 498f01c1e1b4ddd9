import { expect } from "@std/testing";
import { deleteExpiredAppTokens, selectAppTokens } from "../../src/drivers/database/queries/app_token.ts";
import {
  countLiveApplicationTokens,
  selectApplicationTokens,
  selectAuthorizations,
  selectConsentedScopes,
  selectOauthToken,
} from "../../src/drivers/database/queries/oauth.ts";
import { selectOauthApplication } from "../../src/drivers/database/queries/oauth_application.ts";
import { selectOauthAssignments } from "../../src/drivers/database/queries/oauth_assignment.ts";
import { deleteExpiredOauthCodes, selectOauthCode } from "../../src/drivers/database/queries/oauth_code.ts";
import { selectRobotFederation } from "../../src/drivers/database/queries/robot_federation.ts";
import { countUnapprovedKeys } from "../../src/drivers/database/queries/service_key.ts";
import type { Sql } from "../../src/drivers/database/postgres.ts";
import { withDatabase } from "../database.ts";

Deno.test("OAuth's queries: each finds its rows by an index among 40,000", async () => {
  await withDatabase(async (pool) => {
    await pool`
      insert into "user" (uuid, username, email)
      select gen_random_uuid()::text, 'u' || g, 'u' || g || '@example.org' from generate_series(1, 2000) g`;
    await pool`
      insert into "user" (uuid, username, email, robot)
      select gen_random_uuid()::text, 'u' || g || '+ci', g::text, true from generate_series(1, 2000) g`;
    await pool`
      insert into federatedlogin (user_id, service_id, service_ident)
      select id, 3, 'robot:' || id from "user" where robot`;
    await pool`
      insert into oauthapplication (client_id, name, organization_id)
      select 'c' || id, 'app', id from "user" where not robot`;
    await pool`
      insert into oauthaccesstoken (application_id, authorized_user_id, scope, token_name, token_code, expires_at)
      select a.id, a.organization_id, 'repo:read', a.id || '-' || g, '', now() + interval '1 day'
      from oauthapplication a, generate_series(1, 20) g`;
    await pool`
      insert into oauthauthorizationcode (application_id, code_name, code_credential, scope, data, authorized_user_id,
        expires_at)
      select a.id, a.id || '-' || g, '', '', '', a.organization_id, now() + interval '1 day'
      from oauthapplication a, generate_series(1, 20) g`;
    await pool`
      insert into oauthassignedtoken (assigned_user_id, application_id, scope)
      select a.organization_id, a.id, '' from oauthapplication a, generate_series(1, 20)`;
    await pool`
      insert into appspecificauthtoken (user_id, title, token_name, token_secret, expiration)
      select u.id, '', u.id || '-' || g, '', now() + interval '1 day' from "user" u, generate_series(1, 10) g`;
    await pool`
      insert into servicekeyapproval (id, approval_type) overriding system value values (7777, 'Automatic')`;
    await pool`
      insert into servicekey (name, kid, service, jwk, approval_id)
      select '', 'k' || g, 's', '{}', 7777 from generate_series(1, 5000) g`;
    await pool`analyze`;
    const [{ id: applicationId, userId } = { id: 0, userId: 0 }] = await pool<
      { id: number; userId: number }[]
    >`
      select id, organization_id as "userId" from oauthapplication where client_id = (
        select 'c' || id from "user" where username = 'u1234')`;
    const nowMs = Date.now();
    const page = { beforeId: 2 ** 31 - 1, limit: 500 };
    const expiring = { nowMs, untilMs: nowMs + 2 * 86_400_000 };
    const queries: Record<string, (sql: Sql) => Promise<unknown>> = {
      "a token": (sql) => selectOauthToken(sql, `${applicationId}-7`),
      "an application's tokens": (sql) =>
        selectApplicationTokens(sql, { applicationId, afterId: 0, limit: 50 }),
      "how many live": (sql) => countLiveApplicationTokens(sql, applicationId, nowMs),
      "what was consented to": (sql) => selectConsentedScopes(sql, { applicationId, userId, nowMs }),
      "a person's authorizations": (sql) => selectAuthorizations(sql, { userId, ...page }),
      "an application": (sql) => selectOauthApplication(sql, `c${userId}`),
      "a code": (sql) => selectOauthCode(sql, { applicationId, codeName: `${applicationId}-7`, nowMs }),
      "expired codes": (sql) => deleteExpiredOauthCodes(sql, nowMs, 1000),
      "a person's assignments": (sql) => selectOauthAssignments(sql, { userId, ...page }),
      "a person's application passwords": (sql) => selectAppTokens(sql, { userId, ...page }),
      "those that end soon": (sql) => selectAppTokens(sql, { userId, ...page, expiring }),
      "expired application passwords": (sql) => deleteExpiredAppTokens(sql, nowMs, 1000),
      "a federated robot": (sql) => selectRobotFederation(sql, "u1234+ci"),
      "keys that wait": (sql) => countUnapprovedKeys(sql, "s"),
    };
    const sql = await pool.reserve();
    try {
      const wholeTables = async (ask: (sql: Sql) => Promise<unknown>) => {
        const before = await readInOrder(sql);
        await ask(sql);
        const after = await readInOrder(sql);
        return Object.keys(after).filter((table) => after[table]! - (before[table] ?? 0) > 100);
      };
      // What no index serves is noticed.
      expect(await wholeTables((sql) => sql`select from oauthaccesstoken where scope = 'x'`))
        .toEqual(["oauthaccesstoken"]);
      for (const [what, ask] of Object.entries(queries)) {
        expect([what, await wholeTables(ask)]).toEqual([what, []]);
      }
    } finally {
      sql.release();
    }
  });
});

/** By table, how many rows were read without an index so far. */
async function readInOrder(sql: Sql): Promise<Record<string, number>> {
  await sql`select pg_stat_force_next_flush()`;
  await sql`select pg_stat_clear_snapshot()`;
  const rows = await sql<{ name: string; count: number }[]>`
    select relname as name, seq_tup_read::float8 as count from pg_stat_user_tables`;
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
}

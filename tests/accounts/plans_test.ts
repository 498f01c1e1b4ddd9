import { expect } from "@std/testing";
import type { Pool } from "../../src/drivers/database/postgres.ts";
import {
  selectCollaborators,
  selectOrganizationMembers,
} from "../../src/drivers/database/queries/organization_member.ts";
import { selectSolelyAdministered } from "../../src/drivers/database/queries/team.ts";
import { selectAccountByEmail } from "../../src/drivers/database/queries/user.ts";
import { withSite } from "../api/site.ts";

interface Plan {
  "Node Type": string;
  "Relation Name"?: string;
  "Actual Loops": number;
  "Shared Hit Blocks": number;
  "Shared Read Blocks": number;
  Plans?: Plan[];
}

/** Pages of 8 KiB that `ask` looked at, and the tables that it read from end to end. */
async function costOf(sql: Pool, ask: (sql: Pool) => Promise<unknown>) {
  const found = { pages: 0, wholeTables: [] as string[] };
  const visit = (plan: Plan) => {
    if (plan["Actual Loops"] > 0 && plan["Node Type"] === "Seq Scan") {
      found.wholeTables.push(`${plan["Relation Name"]}`);
    }
    plan.Plans?.forEach(visit);
  };
  let explained: Promise<void> | undefined;
  // Whatever statement it is: explained instead of run; fragments are part of one.
  const explaining = new Proxy(sql, {
    apply(target, self, args: unknown[]) {
      const fragment = Reflect.apply(target as unknown as () => unknown, self, args);
      if (!/^\s*(select|with)/.test((args[0] as { raw?: string[] }).raw?.[0] ?? "")) return fragment;
      explained = sql<{ "QUERY PLAN": [{ Plan: Plan }] }[]>`
        explain (analyze, buffers, format json) ${fragment as ReturnType<Pool>}`.then(([row]) => {
        const { Plan: top } = row!["QUERY PLAN"][0];
        found.pages = top["Shared Hit Blocks"] + top["Shared Read Blocks"];
        visit(top);
      });
      return explained.then(() => []);
    },
  });
  await ask(explaining as Pool);
  await explained;
  return found;
}

Deno.test("accounts: among 20,000 people and 4,000 memberships each question reads what it is about", async () => {
  await withSite({}, async ({ deps: { sql } }) => {
    await sql`
      insert into "user" (uuid, username, email, verified, organization)
      select gen_random_uuid()::text, 'person' || g, 'Person' || g || '@example.org', true, g % 50 = 0
      from generate_series(1, 20000) g`;
    await sql`
      insert into team (name, organization_id, role_id)
      select 'owners', id, 1 from "user" where organization and username like 'person%'`;
    await sql`
      insert into teammember (user_id, team_id)
      select u.id, t.id from (select id, row_number() over (order by id) as n from team) t
        join (select id, row_number() over (order by id) as n from "user" where not organization) u
          on u.n between t.n * 10 and t.n * 10 + 9`;
    await sql`
      insert into repository (namespace_user_id, name, visibility_id, kind_id)
      select o.id, 'app' || g, 1, 1
      from (select id from "user" where organization order by id limit 300) o, generate_series(1, 20) g`;
    await sql`
      insert into repositorypermission (user_id, repository_id, role_id)
      select u.id, r.id, 1 from (select id, row_number() over (order by id) as n from repository) r
        join (select id, row_number() over (order by id desc) as n from "user" where not organization) u on u.n = r.n`;
    await sql.unsafe(`vacuum analyze "user"; `);
    for (const table of ["team", "teammember", "repository", "repositorypermission"]) {
      await sql.unsafe(`vacuum analyze ${table}`);
    }
    const [some] = await sql<{ organization: number; member: number }[]>`
      select t.organization_id as organization, m.user_id as member
      from team t join teammember m on m.team_id = t.id
      where exists (select from repository r where r.namespace_user_id = t.organization_id)
      order by t.id desc limit 1`;
    const { organization = 0, member = 0 } = some ?? {};
    // Twenty people, each with what it may do, cost some hundred pages; the tables have thousands.
    const questions: [what: string, most: number, ask: (sql: Pool) => Promise<unknown>][] = [
      ["by e-mail", 20, (sql) => selectAccountByEmail(sql, "PERSON17777@example.org")],
      ["members", 300, (sql) => selectOrganizationMembers(sql, organization)],
      ["collaborators", 600, (sql) => selectCollaborators(sql, organization)],
      ["solely administered", 150, (sql) => selectSolelyAdministered(sql, member)],
    ];
    for (const [what, most, ask] of questions) {
      const { pages, wholeTables } = await costOf(sql, ask);
      // The tables of roles have three rows.
      expect([what, wholeTables.filter((table) => table !== "teamrole")]).toEqual([what, []]);
      expect([what, pages <= most, pages > 0]).toEqual([what, true, true]);
    }
  });
});

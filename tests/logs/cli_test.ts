import { expect } from "@std/testing";
import { findOrganization } from "../../src/domain/organizations/organizations.ts";
import { Content } from "../api/content.ts";
import { withSite } from "../api/site.ts";
import { addRows } from "./rows.ts";
import { runOperator } from "../cli/operator.ts";

Deno.test("quaylet logs: what was done where, by whom, since when; all of it as lines of JSON", async () => {
  await withSite({}, async ({ deps }) => {
    const { repository } = await Content.of(deps, "acme/app");
    const { id } = await findOrganization(deps, "acme");
    await deps.sql`truncate logentry3`;
    const [alice] = await deps.sql<{ id: number }[]>`select id from "user" where username = 'alice'`;
    const of = { accountId: id, performerId: alice!.id };
    const nowMs = Date.now();
    await addRows(deps.sql, {
      ...of,
      kind: "pull_repo",
      repositoryId: repository.id,
      atMs: nowMs - 60_000,
      count: 700,
    });
    await addRows(deps.sql, { ...of, kind: "org_create_team", atMs: nowMs - 30_000 });
    await addRows(deps.sql, { kind: "login_failure", accountId: 0, atMs: nowMs - 20 * 86_400_000 });
    const list = async (flags: string) =>
      JSON.parse((await runOperator(deps, `logs list --json ${flags}`)).out);

    expect(await list("--kind org_create_team --org acme")).toEqual([{
      datetime: new Date(nowMs - 30_000).toISOString(),
      kind: "org_create_team",
      namespace: "acme",
      performer: "alice",
      ip: "192.0.2.1",
      metadata: { n: 0 },
    }]);
    expect((await list("--repo acme/app --limit 650")).length).toBe(650);
    expect((await list("--user alice --since 1h")).length).toBe(100);
    expect(await list("--user bob")).toEqual([]);
    expect((await list("--since 2020-01-01 --kind login_failure")).length).toBe(1);
    expect(await list("--since 2020-01-01 --until 2020-01-02 --kind login_failure")).toEqual([]);
    const text = (await runOperator(deps, "logs list --kind org_create_team")).out;
    expect(text).toMatch(/^\S+Z +org_create_team +acme +alice +192\.0\.2\.1 +\{"n":0\}$/m);

    const { code, out } = await runOperator(deps, "logs export");
    expect(code).toBe(0);
    const lines = out.trimEnd().split("\n").map((line) => JSON.parse(line));
    expect(lines.length).toBe(702);
    expect(lines.at(-1)).toMatchObject({ kind: "login_failure", namespace: null, performer: null });

    const wrong: [string, number][] = [
      ["logs list --kind pull", 2],
      ["logs list --repo app", 2],
      ["logs list --repo acme/app --org acme", 2],
      ["logs list --since yesterday", 2],
      ["logs list --until 2026-13-01", 2],
      ["logs list --limit 0", 2],
      ["logs export --json", 2],
      ["logs list --org nowhere", 3],
      ["logs list --repo acme/nothing", 3],
      ["logs list --user nobody-here", 1],
    ];
    for (const [line, expected] of wrong) {
      expect([line, (await runOperator(deps, line)).code]).toEqual([line, expected]);
    }
    expect((await runOperator(deps, "logs list --kind pull")).err).toContain(
      "there is pull_repo, pull_repo_failed",
    );
  });
});

import { expect } from "@std/testing";
import { LOG_KINDS, type LogKind } from "../../src/domain/logs/log_kinds.ts";
import { withDatabase } from "../database.ts";
import { ELSEWHERE } from "./kinds/elsewhere.ts";
import { invitationKinds } from "./kinds/invitations.ts";
import { NEVER } from "./kinds/never.ts";
import { accountKinds } from "./kinds/accounts.ts";
import { automationKinds } from "./kinds/automation.ts";
import { contentKinds } from "./kinds/content.ts";
import { immutabilityKinds } from "./kinds/immutability.ts";
import { mirrorKinds } from "./kinds/mirrors.ts";
import { personKinds } from "./kinds/persons.ts";
import { serviceKeyKinds } from "./kinds/service_keys.ts";
import type { Writings } from "./kinds/written.ts";
import { rowsOf } from "./rows.ts";
import { withWorld } from "./world.ts";

const WRITTEN: Writings = {
  ...contentKinds,
  ...accountKinds,
  ...personKinds,
  ...invitationKinds,
  ...automationKinds,
  ...immutabilityKinds,
  ...serviceKeyKinds,
  ...mirrorKinds,
};

/** Everything that can be logged is. */
const CONFIG: Parameters<typeof withWorld>[0] = {
  ACTION_LOG_AUDIT_LOGINS: true,
  ACTION_LOG_AUDIT_LOGIN_FAILURES: true,
  ACTION_LOG_AUDIT_PULL_FAILURES: true,
  ACTION_LOG_AUDIT_PUSH_FAILURES: true,
  ACTION_LOG_AUDIT_DELETE_FAILURES: true,
  FEATURE_REPO_MIRROR: true,
  FEATURE_ORG_MIRROR: true,
  PERMANENTLY_DELETE_TAGS: true,
};

Deno.test("LOG_KINDS and table logentrykind are one list", async () => {
  await withDatabase(async (sql) => {
    const rows = await sql<{ id: number; name: string }[]>`select id, name from logentrykind order by id`;
    expect(Object.fromEntries(rows.map(({ id, name }) => [name, id]))).toEqual({ ...LOG_KINDS });
  });
});

Deno.test("every kind of action has what writes it, or the reason why nothing does", () => {
  const lists: Partial<Record<LogKind, unknown>>[] = [WRITTEN, ELSEWHERE, NEVER];
  const odd = (Object.keys(LOG_KINDS) as LogKind[]).filter((kind) =>
    lists.filter((list) => Object.hasOwn(list, kind)).length !== 1
  );
  expect(odd).toEqual([]);
});

Deno.test("the tests that kinds/elsewhere.ts names look at the rows of their kinds", async () => {
  for (const [kind, file] of Object.entries(ELSEWHERE)) {
    const text = await Deno.readTextFile(new URL(`../${file}`, import.meta.url));
    expect([kind, text.includes(`"${kind}"`)]).toEqual([kind, true]);
  }
});

/** `KINDS=a,b` walks only those. */
const only = Deno.env.get("KINDS")?.split(",");

Deno.test("each action writes its kind, with who did it and to what", async (t) => {
  for (const [kind, { act, row, config }] of Object.entries(WRITTEN)) {
    if (only !== undefined && !only.includes(kind)) continue;
    await t.step(kind, async () => {
      await withWorld({ ...CONFIG, ...config }, async (world) => {
        const before = (await rowsOf(world.deps)).length;
        await act(world);
        const written = (await rowsOf(world.deps)).slice(before).filter((seen) => seen.kind === kind);
        expect(written).toContainEqual(expect.objectContaining(row(world)));
      });
    });
  }
});

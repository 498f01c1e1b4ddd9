import { expect } from "@std/testing";
import { countRepositoryActions } from "../../src/domain/repositories/popularity.ts";
import type { Deps } from "../../src/domain/deps.ts";
import { Content, stopClock } from "../api/content.ts";
import { withSite } from "../api/site.ts";

const DAY_MS = 86_400_000;

async function act({ sql }: Deps, repositoryId: number, atMs: number, times: number): Promise<void> {
  await sql`
    insert into logentry3 (kind_id, account_id, repository_id, datetime)
    select 41, 1, ${repositoryId}, to_timestamp(${atMs / 1000}) at time zone 'utc'
    from generate_series(1, ${times}::integer)`;
}

function counts({ sql }: Deps) {
  return sql<{ name: string; count: number; day: string }[]>`
    select r.name, c.count, to_char(c.date, 'MM-DD') as day
    from repositoryactioncount c join repository r on r.id = c.repository_id order by c.date, r.name`;
}

async function scores({ sql }: Deps): Promise<Record<string, number>> {
  const rows = await sql<{ name: string; score: number }[]>`
    select r.name, s.score from repositorysearchscore s join repository r on r.id = s.repository_id`;
  return Object.fromEntries(rows.map(({ name, score }) => [name, score]));
}

Deno.test("countRepositoryActions(): each day that is over is counted once, late rows included, and scored", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    const one = (await Content.of(deps, "acme/one")).repository.id;
    const two = (await Content.of(deps, "acme/two")).repository.id;
    await deps.sql`delete from logentry3`;
    const midnightMs = Date.UTC(2026, 10, 24);
    const clock = stopClock(deps, midnightMs + 5 * 60_000);
    await act(deps, one, midnightMs - 2 * DAY_MS, 3);
    await act(deps, one, midnightMs - 1, 4);
    await act(deps, two, midnightMs - 1, 1);
    await act(deps, one, midnightMs, 100);
    await act(deps, 999_999, midnightMs - 1, 5);
    await act(deps, one, midnightMs - 60 * DAY_MS, 50);
    // A few minutes after midnight rows of yesterday may still be on their way.
    expect(await countRepositoryActions(deps)).toBe(1);
    expect(await counts(deps)).toEqual([{ name: "one", count: 3, day: "11-22" }]);
    clock.ms = midnightMs + 15 * 60_000;
    expect(await countRepositoryActions(deps)).toBe(1);
    expect(await countRepositoryActions(deps)).toBe(0);
    expect(await counts(deps)).toEqual([
      { name: "one", count: 3, day: "11-22" },
      { name: "one", count: 4, day: "11-23" },
      { name: "two", count: 1, day: "11-23" },
    ]);
    const first = await scores(deps);
    expect(first.two).toBe(1000);
    expect(first.one).toBeGreaterThan(6900);
    expect(first.one).toBeLessThan(7000);
    clock.ms += 183 * DAY_MS;
    await act(deps, two, clock.ms - DAY_MS, 2);
    await countRepositoryActions(deps);
    const later = await scores(deps);
    expect(later.two).toBe(2000);
    expect(later.one).toBe(0);
  });
});

Deno.test("countRepositoryActions(): several nodes at once count once", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    const { id } = (await Content.of(deps, "acme/app")).repository;
    await deps.sql`delete from logentry3`;
    stopClock(deps, Date.UTC(2026, 10, 24, 12));
    await act(deps, id, Date.UTC(2026, 10, 23, 12), 7);
    const days = await Promise.all([
      countRepositoryActions(deps),
      countRepositoryActions(deps),
      countRepositoryActions(deps),
    ]);
    expect(days.filter((count) => count > 0)).toEqual([1]);
    expect(await counts(deps)).toEqual([{ name: "app", count: 7, day: "11-23" }]);
  });
});

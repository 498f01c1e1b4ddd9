import assert from "node:assert/strict";
import { TagPageEnds } from "../../src/domain/content/tag_page_ends.ts";
import { listTagHistory } from "../../src/domain/content/tags.ts";
import { ChangeCounters } from "../../src/lib/change_counters.ts";
import { Content } from "./content.ts";
import { withSite } from "./site.ts";

const LIMIT = 5;

Deno.test("listTagHistory() goes on where the page before ended, until the repository changes", async () => {
  await withSite({}, async ({ deps: { sql, ...rest } }) => {
    const { repository } = await Content.of({ sql, ...rest }, "acme/app");
    await sql`
      insert into manifest (repository_id, digest, media_type_id, manifest_bytes)
      values (${repository.id}, 'sha256:' || lpad('1', 64, '0'), 8, '{}')`;
    // Of one moment seven each, and three of one name: what comes first is settled by the name, then by the id.
    await sql`
      insert into tag (name, repository_id, manifest_id, lifetime_start_ms, lifetime_end_ms, tag_kind_id)
      select case when g % 7 = 0 then 'same' else 'v' || g end, ${repository.id}, (select min(id) from manifest),
        1000 + g / 7, case when g % 3 = 0 then 1000 + g end, 1
      from generate_series(0, 27) g`;
    let nowMs = 1e6;
    const now = () => nowMs;
    const changes = new ChangeCounters(ChangeCounters.allocate(4));
    const deps = { sql, now, tagPageEnds: new TagPageEnds(changes, now) };
    const page = async (
      number: number,
      options: { part?: string; alive?: boolean } = {},
      by: typeof deps = deps,
    ) => {
      const wanted = { alive: false, ...options, offset: (number - 1) * LIMIT, limit: LIMIT };
      const { tags, more } = await listTagHistory(by, repository.id, wanted);
      return { ids: tags.map(({ id }) => id), more };
    };
    const counting = { sql, now } as typeof deps;

    for (const options of [{}, { alive: true }, { part: "v1" }]) {
      for (let number = 1;; number++) {
        const found = await page(number, options);
        assert.deepEqual(found, await page(number, options, counting), JSON.stringify([options, number]));
        if (!found.more) break;
      }
    }

    const [first, second] = [await page(1), await page(2)];
    await sql`delete from tag where id = ${first.ids[0]!}`;
    assert.deepEqual(await page(2), second, "nobody told of the change: it goes on where page 1 ended");
    changes.changed(repository.id);
    assert.deepEqual(await page(2), await page(2, {}, counting));
    assert.notDeepEqual(await page(2), second);

    const third = await page(3);
    await sql`delete from tag where id = ${second.ids[1]!}`;
    assert.deepEqual(await page(3), third);
    nowMs += 61_000;
    assert.notDeepEqual(await page(3), third, "after a minute rows are counted off again");
  });
});

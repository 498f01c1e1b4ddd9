import assert from "node:assert/strict";
import { SYNC_STATUS } from "../../src/domain/mirroring/model.ts";
import { updateOrganizationMirror } from "../../src/drivers/database/queries/organization_mirror.ts";
import { type FakeNamespace, startFakeHarbor, startFakeQuay, withNamespace } from "./fake_parents.ts";
import { type MirroringEdge, productOf, withMirroringEdge } from "./mirroring_edge.ts";

/** One discovery went well; then `spoil`, and another one. */
async function second(
  start: () => FakeNamespace,
  spoil: (fake: FakeNamespace, edge: MirroringEdge) => void | Promise<void>,
  check: (edge: MirroringEdge, fake: FakeNamespace) => void | Promise<void>,
  config = {},
): Promise<void> {
  await withNamespace(start, (fake) =>
    withMirroringEdge(async (edge) => {
      fake.repositories.push("app", "old", "tool");
      fake.pageSize = 2;
      await edge.follow(fake.host, { product: productOf(start) });
      await edge.discovered();
      await spoil(fake, edge);
      await edge.rediscovered();
      await check(edge, fake);
    }, { config }));
}

const html = () => new Response("<html>not found</html>", { headers: { "content-type": "text/html" } });

type Fault = readonly [
  what: string,
  spoil: (fake: FakeNamespace) => void,
  words: RegExp,
  only?: "quay" | "harbor",
];

function onPage(page: number, answer: () => Response): (fake: FakeNamespace) => void {
  return (fake) => {
    fake.repositories.push("new");
    fake.insteadOfPage = (_url, asked) => asked === page ? answer() : undefined;
  };
}

const json = (value: unknown) => () => Response.json(value);

const FAULTS: readonly Fault[] = [
  ["401", (fake) => fake.authorization = "other", /\(401\)/],
  ["403 on page 2", onPage(2, () => new Response(null, { status: 403 })), /\(403\)/],
  ["404", onPage(1, () => new Response(null, { status: 404 })), /\(404\)/],
  ["500 on page 2", onPage(2, () => new Response(null, { status: 500 })), /\(500\)/],
  ["a page that is no JSON", onPage(2, html), /does not list repositories as/],
  ["a page of another form", onPage(2, json({ tags: [] })), /does not list repositories as/],
  ["entries of another form", onPage(2, json([{ title: "x" }])), /does not list/, "harbor"],
  ["entries of another form", onPage(2, json({ repositories: [null] })), /does not list/, "quay"],
  ["a name without end", onPage(2, json([{ name: `base/${"x".repeat(5000)}` }])), /does not list/, "harbor"],
  [
    "an answer without end",
    onPage(2, () => new Response(new Uint8Array(5_000_000))),
    /sends more than \d+ bytes/,
  ],
  ["pages without end", endless, /lists more than 1000 pages/, "quay"],
  ["pages without end", endless, /lists more than/, "harbor"],
  [
    "a list that is shorter than it says",
    onPage(2, () => Response.json([{ name: "base/x" }], { headers: { "x-total-count": "900" } })),
    /lists 3 of 900 repositories/,
    "harbor",
  ],
  [
    "a redirect into the network",
    onPage(2, () => Response.redirect("http://169.254.169.254/latest/meta-data", 302)),
    /169\.254\.169\.254 is an address inside this network/,
  ],
  ["nobody there", (fake) => void fake.stop(), /nobody listens there|broke off/],
];

function endless(fake: FakeNamespace): void {
  const full = Array.from({ length: 100 }, (_, at) => ({ name: `base/x${at}` }));
  fake.insteadOfPage = (url) =>
    url.pathname.includes("/v2.0/")
      ? Response.json(full)
      : Response.json({ repositories: [{ name: "x" }], next_page: "again" });
}

for (const start of [startFakeQuay, startFakeHarbor]) {
  const product = productOf(start);
  for (const [what, spoil, words, only] of FAULTS) {
    if (only !== undefined && only !== product) continue;
    Deno.test(`${product}: ${what}: the discovery fails in words, and nothing has changed`, () =>
      second(start, (fake) => spoil(fake), async (edge) => {
        const { status, statusMessage } = await edge.find();
        assert.equal(status, SYNC_STATUS.FAIL);
        assert.match(statusMessage ?? "", words);
        assert.doesNotMatch(statusMessage ?? "", /a-token-of-the-api|harbor-secret/);
        assert.deepEqual(await edge.statuses(), { app: 0, old: 0, tool: 0 });
      }));
  }

  Deno.test(`${product}: what is gone or left out rests with all that it has, and goes on when it is back`, () =>
    withNamespace(start, (fake) =>
      withMirroringEdge(async (edge) => {
        fake.repositories.push("app", "old", "tool");
        await edge.follow(fake.host, { product });
        await edge.discovered();
        const before = await edge.mirrorOf("old");
        fake.repositories.splice(1, 1);
        fake.repositories.push("tool-new");
        const { id } = await edge.find();
        await updateOrganizationMirror(
          edge.deps.sql,
          id,
          { filtersJson: '["a*", "ol?", "*-new"]' },
          Date.now(),
        );
        await edge.rediscovered();
        assert.deepEqual(await edge.statuses(), { app: 0, old: 4, tool: 4, "tool-new": 0 });
        const resting = await edge.mirrorOf("old");
        assert.deepEqual([resting.id, resting.enabled], [before.id, false]);
        assert.deepEqual(await edge.words(), {
          old: "gone at the other registry",
          tool: "left out by the filters",
        });
        // Asked for by hand, what rests still rests.
        await edge.deps.sql`update orgmirrorconfig set repositories_asked = true`;
        await edge.rediscovered();
        assert.deepEqual(await edge.statuses(), { app: 3, old: 4, tool: 4, "tool-new": 3 });

        fake.repositories.push("old");
        await edge.rediscovered();
        const back = await edge.mirrorOf("old");
        assert.deepEqual([back.id, back.enabled, back.status], [before.id, true, 0]);
        assert.equal((await edge.statuses()).old, 0);
      })));
}

Deno.test("names that can be no repository's here are left out, and the others are followed", () =>
  withNamespace(startFakeHarbor, (fake) =>
    withMirroringEdge(async (edge) => {
      const odd = [
        "../../etc",
        "a/../b",
        "a%2e%2e",
        "a%2Fb",
        "UPPER",
        "a//b",
        "/a",
        "a/",
        "",
        ".",
        "a b",
        "a\0b",
      ];
      fake.repositories.push("app", ...odd, "x".repeat(300), "é", "a?b=c", "a#b", "a:b", "a@b");
      await edge.follow(fake.host, { product: "harbor" });
      const { statusMessage } = await edge.discovered();
      assert.deepEqual(Object.keys(await edge.statuses()), ["app"]);
      assert.match(statusMessage ?? "", /18 names can be no repository's here/);
      const [{ count } = { count: 0 }] = await edge.deps.sql<{ count: number }[]>`
        select count(*) as count from repository`;
      assert.equal(count, 1);
    })));

Deno.test("a Quay that shows other namespaces and applications: they are left out", () =>
  withNamespace(startFakeQuay, (fake) =>
    withMirroringEdge(async (edge) => {
      fake.insteadOfPage = json({
        repositories: [
          { namespace: "base", name: "app", kind: "image" },
          { namespace: "other", name: "foreign", kind: "image" },
          { namespace: "base", name: "chart", kind: "application" },
        ],
      });
      await edge.follow(fake.host);
      await edge.discovered();
      assert.deepEqual(await edge.statuses(), { app: 0 });
    })));

Deno.test("without credentials a Quay is asked for what is public", () =>
  withNamespace(startFakeQuay, (fake) =>
    withMirroringEdge(async (edge) => {
      fake.authorization = undefined;
      let asked = "";
      fake.insteadOfPage = (url) => {
        asked = url.search;
        return undefined;
      };
      fake.repositories.push("app");
      await edge.follow(fake.host, { password: null, username: null });
      await edge.discovered();
      assert.equal(asked, "?namespace=base&public=true");
      assert.deepEqual(await edge.statuses(), { app: 0 });
    })));

Deno.test("an empty list is no reason to let anything rest", () =>
  second(startFakeQuay, (fake) => void fake.repositories.splice(0), async (edge) => {
    const { status, statusMessage } = await edge.find();
    assert.equal(status, SYNC_STATUS.SUCCESS);
    assert.match(statusMessage ?? "", /nothing is listed, and nothing has changed/);
    assert.deepEqual(await edge.statuses(), { app: 0, old: 0, tool: 0 });
  }));

Deno.test("FEATURE_EXTENDED_REPOSITORY_NAMES: false leaves names of several parts out", () =>
  withNamespace(startFakeQuay, (fake) =>
    withMirroringEdge(async (edge) => {
      fake.repositories.push("app", "team/tool");
      await edge.follow(fake.host);
      await edge.discovered();
      assert.deepEqual(Object.keys(await edge.statuses()), ["app"]);
    }, { config: { FEATURE_EXTENDED_REPOSITORY_NAMES: false } })));

Deno.test("ORG_MIRROR_MAX_DISCOVERY_DURATION: a list that takes longer fails, and changes nothing", () =>
  second(
    startFakeQuay,
    (fake) => {
      fake.instead = () =>
        new Promise<Response>((resolve) => setTimeout(() => resolve(Response.json({})), 1500));
    },
    async (edge) => {
      assert.match((await edge.find()).statusMessage ?? "", /not listed its repositories within 1 s/);
      assert.deepEqual(await edge.statuses(), { app: 0, old: 0, tool: 0 });
    },
    { ORG_MIRROR_MAX_DISCOVERY_DURATION: 1 },
  ));

Deno.test("a repository that somebody deleted is made again by the next discovery", () =>
  second(
    startFakeQuay,
    async (_fake, { deps }) =>
      void await deps.sql`update repository set state = 3, name = 'gone' where name = 'old'`,
    async (edge) => {
      assert.equal((await edge.mirrorOf("old")).status, SYNC_STATUS.NEVER_RUN);
      assert.equal((await edge.find()).statusMessage, "3 repositories listed, 1 made");
    },
  ));

import assert from "node:assert/strict";
import type { Deps } from "../../src/domain/deps.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { withRegistry as withUploads } from "../blobs/registry.ts";
import { expectError, withRegistry } from "../manifests/fixture.ts";
import { withEdge } from "../mirror/edge.ts";
import { withFake } from "../mirror/fake_registry.ts";
import { randomBytes } from "../mirror/images.ts";
import { expectTrueSizes } from "./recount.ts";

const ON = { FEATURE_QUOTA_MANAGEMENT: true };
type Limits = [type: "Warning" | "Reject", percent: number][];

async function setQuota(sql: Deps["sql"], limitBytes: number, limits: Limits): Promise<void> {
  await sql`delete from userorganizationquota`;
  await sql`
    insert into userorganizationquota (namespace_id, limit_bytes)
    select id, ${limitBytes} from "user" where username = 'acme'`;
  for (const [type, percent] of limits) {
    await sql`
      insert into quotalimits (quota_id, quota_type_id, percent_of_limit)
      select q.id, t.id, ${percent} from userorganizationquota q, quotatype t where t.name = ${type}`;
  }
}

/** Takes up `bytes` of the namespace, as if they had been counted. */
async function occupy(sql: Deps["sql"], bytes: number): Promise<void> {
  await sql`
    insert into quotanamespacesize (namespace_user_id, size_bytes) select id, ${bytes} from "user" where username = 'acme'
    on conflict (namespace_user_id) do update set size_bytes = excluded.size_bytes`;
}

/** What the namespace's administrators have been told. */
async function told(sql: Deps["sql"]): Promise<[string, unknown][]> {
  const rows = await sql<{ kind: string; metadata: string; target: string }[]>`
    select k.name as kind, n.metadata_json as metadata, u.username as target
    from notification n join notificationkind k on k.id = n.kind_id join "user" u on u.id = n.target_id order by n.id`;
  for (const { target } of rows) assert.equal(target, "acme");
  return rows.map(({ kind, metadata }) => [kind, JSON.parse(metadata)]);
}

const WARNING = ["quota_warning", { severity: "Warning", namespace: "acme" }];
const ERROR = ["quota_error", { severity: "Reject", namespace: "acme" }];

Deno.test("PUT manifest: of the exceeded limits the highest counts; what is refused leaves nothing", async () => {
  // [held %, limits, status, told]
  const cases: [number, Limits, number, unknown[]][] = [
    [100, [["Warning", 80], ["Reject", 100]], 201, [WARNING]],
    [101, [["Warning", 80], ["Reject", 100]], 403, [ERROR]],
    [80, [["Warning", 80], ["Reject", 100]], 201, []],
    [120, [["Reject", 80], ["Warning", 100]], 201, [WARNING]],
    [90, [["Reject", 80], ["Warning", 100]], 403, [ERROR]],
    [120, [["Warning", 90], ["Reject", 90]], 403, [ERROR]],
    [500, [], 201, []],
  ];
  for (const [percent, limits, status, expected] of cases) {
    await withRegistry(async (registry) => {
      const { sql } = registry;
      const image = await registry.image("one");
      const [{ bytes } = { bytes: 0 }] = await sql<{ bytes: number }[]>`
        select sum(image_size)::float8 as bytes from imagestorage`;
      await setQuota(sql, 10_000, limits);
      await occupy(sql, percent * 100 - bytes);
      for (let attempt = 0; attempt < 2; attempt++) {
        const response = await registry.push("v1", image);
        if (status === 403) {
          const { message } = await expectError(response, 403, "DENIED");
          assert.equal(message, "Quota has been exceeded on namespace");
        } else assert.equal(response.status, status, await response.text());
      }
      assert.deepEqual(await told(sql), expected, JSON.stringify([percent, limits]));
      if (status === 403) {
        for (const table of ["tag", "manifest", "manifestblob", "quotablob", "quotarepositorysize"]) {
          assert.equal((await sql.unsafe(`select from ${table}`)).length, 0, table);
        }
      }
    }, ON);
  }
});

Deno.test("PUT manifest: DEFAULT_SYSTEM_REJECT_QUOTA_BYTES where there is no quota; none without the features", async () => {
  const cases: [Partial<Deps["config"]>, number | undefined, number][] = [
    [{ ...ON, DEFAULT_SYSTEM_REJECT_QUOTA_BYTES: 1 }, undefined, 403],
    [{ ...ON, DEFAULT_SYSTEM_REJECT_QUOTA_BYTES: 1 }, 1e9, 201],
    [{ ...ON, DEFAULT_SYSTEM_REJECT_QUOTA_BYTES: 1e9 }, undefined, 201],
    [ON, undefined, 201],
    [{ ...ON, DEFAULT_SYSTEM_REJECT_QUOTA_BYTES: 1, FEATURE_VERIFY_QUOTA: false }, undefined, 201],
    [{ DEFAULT_SYSTEM_REJECT_QUOTA_BYTES: 1 }, undefined, 201],
  ];
  for (const [config, limitBytes, status] of cases) {
    await withRegistry(async (registry) => {
      if (limitBytes !== undefined) await setQuota(registry.sql, limitBytes, [["Reject", 100]]);
      const response = await registry.push("v1", await registry.image("one"));
      assert.equal(response.status, status, JSON.stringify(config) + await response.text());
    }, config);
  }
});

Deno.test("a namespace is filled by what is new: the same layers again always fit", () =>
  withRegistry(async (registry) => {
    const image = await registry.image("one");
    const [{ bytes } = { bytes: 0 }] = await registry.sql<{ bytes: number }[]>`
      select sum(image_size)::float8 as bytes from imagestorage`;
    await setQuota(registry.sql, bytes, [["Reject", 100]]);
    for (const tag of ["a", "b", "c"]) assert.equal((await registry.push(tag, image)).status, 201);
    await expectError(await registry.push("d", await registry.image("two")), 403, "DENIED");
    await expectTrueSizes(registry.sql);
  }, ON));

Deno.test("uploads: a full namespace refuses their start; PATCH and PUT count what uploads have brought", () =>
  withUploads(
    async ({ call, sql, files }) => {
      const refused = async (response: Response) => {
        const body = await response.json();
        assert.equal(response.status, 403, JSON.stringify(body));
        assert.equal(body.errors[0].code, "DENIED");
        assert.equal(body.errors[0].message, "Quota has been exceeded on namespace");
      };
      await setQuota(sql, 100, [["Reject", 100]]);
      const start = await call("POST", "/v2/acme/app/blobs/uploads/");
      assert.equal(start.status, 202);
      const at = start.headers.get("location")!;
      const patch = () => call("PATCH", at, { body: new Uint8Array(60) });
      assert.equal((await patch()).status, 202);
      assert.equal((await patch()).status, 202);
      await refused(await patch());
      await refused(await call("PUT", `${at}?digest=${digestOf(new Uint8Array(120))}`));
      assert.equal((await call("GET", at)).headers.get("range"), "0-119");
      assert.equal((await call("DELETE", at)).status, 204);
      assert.deepEqual(await told(sql), [ERROR]);

      await occupy(sql, 101);
      await refused(await call("POST", "/v2/acme/app/blobs/uploads/"));
      const body = new Uint8Array(10);
      await refused(await call("POST", `/v2/acme/app/blobs/uploads/?digest=${digestOf(body)}`, { body }));
      assert.deepEqual(await files(), []);
      await setQuota(sql, 1000, [["Reject", 100]]);
      assert.equal((await call("POST", "/v2/acme/app/blobs/uploads/")).status, 202);
    },
    undefined,
    ON,
  ));

Deno.test("a mirror that reaches the quota says so, keeps what it has, and goes on when there is room", () =>
  withFake((fake) =>
    withEdge({ config: ON }, async (edge) => {
      const { sql } = edge.deps;
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      fake.image("v1", [randomBytes(1000, 1)]);
      assert.equal((await edge.run(mirror)).kind, "success");
      const before = await edge.tags(mirror);
      assert.deepEqual(Object.keys(before), ["v1"]);
      await setQuota(sql, 3000, [["Reject", 100]]);
      fake.image("v2", [randomBytes(5000, 2)]);
      const outcome = await edge.run(mirror);
      assert.equal(outcome.kind, "failed");
      assert.deepEqual(
        "reason" in outcome && [outcome.reason, outcome.message],
        ["quota_exceeded", "Quota has been exceeded on namespace"],
      );
      assert.deepEqual(await edge.tags(mirror), before);
      await expectTrueSizes(sql);
      await setQuota(sql, 100_000, [["Reject", 100]]);
      assert.equal((await edge.run(mirror)).kind, "success");
      assert.deepEqual(Object.keys(await edge.tags(mirror)), ["v1", "v2"]);
      await expectTrueSizes(sql);
    })
  ));

import { expect } from "@std/testing";
import { Content } from "../api/content.ts";
import { withSite } from "../api/site.ts";

const ON = { FEATURE_QUOTA_MANAGEMENT: true, GLOBAL_READONLY_SUPER_USERS: ["carol"] };
const GIB = 1024 ** 3;

Deno.test("organization/{org}/quota: made by superusers, seen by members, changed, taken away", async () => {
  await withSite(ON, async (site) => {
    const [root, alice, bob, carol] = await Promise.all(
      ["root", "alice", "bob", "carol"].map((name) => site.browserOf(name)),
    );
    const at = "/organization/acme/quota";
    expect(await alice!.expect(200, "GET", at)).toEqual([]);
    await alice!.expect(403, "POST", at, { limit_bytes: GIB });
    await carol!.expect(403, "POST", at, { limit_bytes: GIB });
    for (
      const body of [{}, { limit_bytes: 0 }, { limit_bytes: -1 }, { limit_bytes: 1.5 }, { limit: "lots" }]
    ) {
      await root!.expect(400, "POST", at, body);
    }
    expect(await root!.expect(201, "POST", at, { limit: "10 GiB" })).toBe("Created");
    const { error_message } = await root!.expect(400, "POST", at, { limit_bytes: GIB });
    expect(error_message).toContain("already exists");
    const [quota] = await alice!.expect(200, "GET", at);
    expect(quota).toEqual({
      id: expect.any(Number),
      limit_bytes: 10 * GIB,
      limit: "10.0 GiB",
      default_config: false,
      default_config_exists: false,
      limits: [],
    });
    await bob!.expect(403, "GET", at);
    expect(await carol!.expect(200, "GET", `${at}/${quota.id}`)).toEqual(quota);
    expect((await root!.expect(200, "PUT", `${at}/${quota.id}`, { limit_bytes: GIB })).limit).toBe("1.0 GiB");
    expect((await root!.expect(200, "PUT", `${at}/${quota.id}`, {})).limit).toBe("1.0 GiB");
    await root!.expect(404, "PUT", `${at}/${quota.id + 1}`, { limit_bytes: GIB });
    await root!.expect(404, "GET", `${at}/nonsense`);

    const limits = `${at}/${quota.id}/limit`;
    await root!.expect(201, "POST", limits, { type: "Warning", threshold_percent: 80 });
    await root!.expect(201, "POST", limits, { type: "Reject", threshold_percent: 100 });
    for (
      const body of [
        { type: "Warning", threshold_percent: 80 },
        { type: "Shout", threshold_percent: 80 },
        { type: "Warning", threshold_percent: 0 },
        { type: "Warning", threshold_percent: 101 },
        { type: "Warning" },
      ]
    ) await root!.expect(400, "POST", limits, body);
    const listed = await alice!.expect(200, "GET", limits);
    expect(listed).toEqual([
      { id: expect.any(Number), type: "Warning", limit_percent: 80 },
      { id: expect.any(Number), type: "Reject", limit_percent: 100 },
    ]);
    const one = `${limits}/${listed[0].id}`;
    expect((await root!.expect(200, "PUT", one, { type: "Warning", threshold_percent: 70 })).limits[0])
      .toEqual({ id: listed[0].id, type: "Warning", limit_percent: 70 });
    await root!.expect(400, "PUT", one, { type: "Reject", threshold_percent: 100 });
    expect(await alice!.expect(200, "GET", one)).toMatchObject({ limit_percent: 70 });
    await root!.expect(204, "DELETE", one);
    await root!.expect(404, "DELETE", one);
    await root!.expect(204, "DELETE", `${at}/${quota.id}`);
    expect(await alice!.expect(200, "GET", at)).toEqual([]);
    const kinds = await site.deps.sql<{ name: string }[]>`
      select k.name from logentry3 l join logentrykind k on k.id = l.kind_id
      where k.name like 'org%quota%' order by l.id`;
    expect(kinds.map(({ name }) => name)).toEqual([
      "org_create_quota",
      "org_change_quota",
      "org_create_quota_limit",
      "org_create_quota_limit",
      "org_change_quota_limit",
      "org_delete_quota_limit",
      "org_delete_quota",
    ]);
  });
});

Deno.test("superuser/…/quota, user/quota: people's own namespaces, the site's default", async () => {
  await withSite({ ...ON, DEFAULT_SYSTEM_REJECT_QUOTA_BYTES: 5 * GIB }, async (site) => {
    const [root, bob] = [await site.browserOf("root"), await site.browserOf("bob")];
    expect(await bob.expect(200, "GET", "/user/quota")).toEqual([{
      id: null,
      limit_bytes: 5 * GIB,
      limit: "5.0 GiB",
      default_config: true,
      default_config_exists: true,
      limits: [],
    }]);
    await root.expect(201, "POST", "/superuser/users/bob/quota", { limit_bytes: GIB });
    const [quota] = await root.expect(200, "GET", "/superuser/organization/bob/quota");
    expect(await bob.expect(200, "GET", `/user/quota/${quota.id}`)).toEqual(quota);
    expect(await bob.expect(200, "GET", `/user/quota/${quota.id}/limit`)).toEqual([]);
    await bob.expect(404, "GET", `/user/quota/${quota.id}/limit/1`);
    await bob.expect(403, "DELETE", `/superuser/users/bob/quota/${quota.id}`);
    await root.expect(200, "PUT", `/superuser/users/bob/quota/${quota.id}`, { limit_bytes: 2 * GIB });
    await root.expect(404, "POST", "/superuser/users/nobody-here/quota", { limit_bytes: GIB });
    const { quotas, quota_report } = await bob.expect(200, "GET", "/user/");
    expect(quotas[0].limit_bytes).toBe(2 * GIB);
    expect(quota_report).toMatchObject({
      quota_bytes: 0,
      configured_quota: 2 * GIB,
      backfill_status: "waiting",
    });
    await root.expect(204, "DELETE", `/superuser/users/bob/quota/${quota.id}`);
  });
  await withSite({}, async (site) => {
    const root = await site.browserOf("root");
    for (const path of ["/organization/acme/quota", "/user/quota", "/superuser/users/bob/quota"]) {
      await root.expect(404, "GET", path);
    }
    expect((await root.expect(200, "GET", "/user/")).quota_report).toBe(undefined);
  });
});

Deno.test("quota_report: from what is kept of sizes, on organizations, repositories and superusers' lists", async () => {
  await withSite(ON, async (site) => {
    const { repository } = await Content.of(site.deps, "acme/app", "public");
    await site.deps.sql`
      insert into quotarepositorysize (repository_id, size_bytes, backfill_start_ms, backfill_complete)
      values (${repository.id}, 300, 1, true)`;
    await site.deps.sql`
      insert into quotanamespacesize (namespace_user_id, size_bytes, backfill_start_ms, backfill_complete)
      values (${repository.namespaceId}, 700, 1, false)`;
    const [root, alice, bob] = await Promise.all(
      ["root", "alice", "bob"].map((name) => site.browserOf(name)),
    );
    await root!.expect(201, "POST", "/organization/acme/quota", { limit_bytes: 1000 });
    const report = {
      quota_bytes: 700,
      configured_quota: 1000,
      running_backfill: "running",
      backfill_status: "running",
    };
    expect((await alice!.expect(200, "GET", "/organization/acme")).quota_report).toEqual(report);
    expect((await bob!.expect(200, "GET", "/organization/acme")).quota_report).toBe(undefined);
    const { organizations } = await root!.expect(200, "GET", "/superuser/organizations/");
    expect(organizations[0]).toMatchObject({ name: "acme", quota_report: report });
    const { users } = await root!.expect(200, "GET", "/superuser/users/");
    expect(users[0].quota_report).toMatchObject({ quota_bytes: 0, configured_quota: null });
    const { repositories } = await alice!.expect(200, "GET", "/repository?namespace=acme");
    expect(repositories[0].quota_report).toEqual({ quota_bytes: 300, configured_quota: 1000 });
    const without = await alice!.expect(200, "GET", "/repository?namespace=acme&quota=false");
    expect(without.repositories[0].quota_report).toBe(undefined);
  });
});

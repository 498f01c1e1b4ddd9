import { expect } from "@std/testing";
import { withSite } from "../api/site.ts";

Deno.test("GET user/ and organization/{org}: quota and size, only with FEATURE_QUOTA_MANAGEMENT and for those inside", async () => {
  await withSite(
    { FEATURE_QUOTA_MANAGEMENT: true, DEFAULT_SYSTEM_REJECT_QUOTA_BYTES: 1000 },
    async (site) => {
      const { sql } = site.deps;
      await sql`insert into userorganizationquota (namespace_id, limit_bytes)
      select id, 10737418240 from "user" where username = 'acme'`;
      await sql`insert into quotalimits (quota_id, quota_type_id, percent_of_limit)
      select id, kind, percent from userorganizationquota, (values (1, 80), (2, 100)) as v (kind, percent)`;
      await sql`insert into quotanamespacesize (namespace_user_id, size_bytes, backfill_start_ms, backfill_complete)
      select id, 2048, 1, true from "user" where username = 'acme'`;
      const expected = {
        quotas: [{
          id: expect.any(Number),
          limit_bytes: 10_737_418_240,
          limit: "10.0 GiB",
          default_config: false,
          default_config_exists: true,
          limits: [
            { id: expect.any(Number), type: "Warning", limit_percent: 80 },
            { id: expect.any(Number), type: "Reject", limit_percent: 100 },
          ],
        }],
        quota_report: {
          quota_bytes: 2048,
          configured_quota: 10_737_418_240,
          running_backfill: "complete",
          backfill_status: "complete",
        },
      };
      for (const name of ["alice", "carol"]) {
        expect(await (await site.browserOf(name)).expect(200, "GET", "/organization/acme")).toMatchObject(
          expected,
        );
      }
      const outside = await (await site.browserOf("bob")).expect(200, "GET", "/organization/acme");
      expect([outside.quotas, outside.quota_report]).toEqual([undefined, undefined]);
      expect(await (await site.browserOf("bob")).expect(200, "GET", "/user/")).toMatchObject({
        // Only the site's default applies, and nothing has been counted yet.
        quotas: [{ id: null, limit_bytes: 1000, default_config: true }],
        quota_report: { quota_bytes: 0, configured_quota: 1000, backfill_status: "waiting" },
      });
    },
  );
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    for (const path of ["/user/", "/organization/acme"]) {
      expect(await alice.expect(200, "GET", path)).not.toHaveProperty("quota_report");
    }
  });
});

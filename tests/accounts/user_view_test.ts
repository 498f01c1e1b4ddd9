import { expect } from "@std/testing";
import { withSite } from "../api/site.ts";

const AVATAR = expect.anything();

Deno.test("GET /user/: user:read tells who it is and where, user:admin the account's details as well", async () => {
  await withSite(
    { SUPER_USERS: ["alice"], FEATURE_QUOTA_MANAGEMENT: true, FEATURE_EDIT_QUOTA: true },
    async (site) => {
      const reader = await site.scriptOf("alice", ["user:read"]);
      const acme = { name: "acme", avatar: AVATAR, can_create_repo: false, public: false };
      const seen = { anonymous: false, username: "alice", avatar: AVATAR, organizations: [acme] };
      expect(await reader.expect(200, "GET", "/user/")).toEqual(seen);
      const creator = await site.scriptOf("alice", ["user:read", "repo:create"]);
      const { organizations } = await creator.expect(200, "GET", "/user/");
      expect(organizations).toEqual([{ ...acme, can_create_repo: true }]);
      const own = await (await site.scriptOf("alice", ["user:admin"])).expect(200, "GET", "/user/");
      expect(own).toMatchObject({ email: "alice@example.org", is_me: true, quotas: [] });
      // What the token may not do is not promised.
      expect(own.organizations).toEqual([{ ...acme, is_org_admin: false, preferred_namespace: false }]);
      expect(own.super_user).toBe(undefined);
      const whole = await (await site.browserOf("alice")).expect(200, "GET", "/user/");
      expect(whole.organizations[0]).toMatchObject({ can_create_repo: true, is_org_admin: true });
      expect(whole.super_user).toBe(true);
      const superuser = await site.scriptOf("alice", ["user:read", "super:user"]);
      expect(await superuser.expect(200, "GET", "/user/")).toEqual({ ...seen, super_user: true });
    },
  );
});

Deno.test("GET /user/: PUBLIC_NAMESPACES stand among everybody's organizations", async () => {
  await withSite({ PUBLIC_NAMESPACES: ["acme", "bob", "nowhere"] }, async (site) => {
    const standing = async (name: string) => {
      const { organizations } = await (await site.browserOf(name)).expect(200, "GET", "/user/");
      return organizations.map((one: Record<string, unknown>) => [
        one.name,
        one.public,
        one.is_org_admin,
        one.can_create_repo,
      ]);
    };
    expect(await standing("alice")).toEqual([["acme", true, true, true], ["bob", true, false, false]]);
    expect(await standing("root")).toEqual([["acme", true, false, false], ["bob", true, false, false]]);
    // A person's own namespace is no organization of that person, public or not.
    expect(await standing("bob")).toEqual([["acme", true, false, false]]);
  });
});

import { expect } from "@std/testing";
import { authenticateBasic } from "../../src/domain/accounts/credentials.ts";
import { decryptPassword } from "../../src/domain/secrets.ts";
import type { Deps } from "../../src/domain/deps.ts";
import type { RecordedMail } from "../database.ts";
import { withSite } from "../api/site.ts";

/** Kinds and metadata of what has been logged, the oldest first. */
async function logged({ sql }: Deps, kind: string): Promise<Record<string, unknown>[]> {
  const rows = await sql<{ text: string }[]>`
    select l.metadata_json as text from logentry3 l join logentrykind k on k.id = l.kind_id
    where k.name = ${kind} order by l.id`;
  return rows.map(({ text }) => JSON.parse(text));
}

Deno.test("superuser/users/: created with a password that works, shown, listed, deleted", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    const root = await site.browserOf("root");
    const made = await root.expect(200, "POST", "/superuser/users/", {
      username: "dave",
      email: "dave@example.org",
    });
    expect(made).toEqual({
      username: "dave",
      email: "dave@example.org",
      password: expect.stringMatching(/^[A-Z0-9]{32}$/),
      encrypted_password: expect.any(String),
    });
    expect(decryptPassword(deps.config, made.encrypted_password)).toBe(made.password);
    await authenticateBasic(deps, "dave", made.password);
    expect(await root.expect(200, "GET", "/superuser/users/dave")).toEqual({
      kind: "user",
      name: "dave",
      username: "dave",
      email: "dave@example.org",
      verified: true,
      avatar: expect.objectContaining({ name: "dave", kind: "user" }),
      super_user: false,
      enabled: true,
    });
    expect(await logged(deps, "user_create")).toContainEqual({
      email: "dave@example.org",
      username: "dave",
      superuser: "root",
    });
    const refused: [body: unknown, words: string][] = [
      [{ username: "dave" }, "already exists"],
      [{ username: "acme" }, "already exists"],
      [{ username: "eve", email: "dave@example.org" }, "Email has already been used"],
      [{ username: "Eve" }, "Username"],
      [{ username: "eve", email: "nonsense" }, "Invalid email"],
      [{}, "username"],
    ];
    for (const [body, words] of refused) {
      const { error_message } = await root.expect(400, "POST", "/superuser/users/", body);
      expect(error_message).toContain(words);
    }
    await root.expect(204, "DELETE", "/superuser/users/dave");
    await root.expect(404, "DELETE", "/superuser/users/dave");
    await root.expect(404, "GET", "/superuser/users/acme");
    const { users } = await root.expect(200, "GET", "/superuser/users/");
    expect(users.map((user: { name: string }) => user.name)).toEqual(["alice", "bob", "carol", "root"]);
  });
});

Deno.test("superuser/users/: pages, and those that are not disabled", async () => {
  await withSite({}, async (site) => {
    const root = await site.browserOf("root");
    await root.expect(200, "PUT", "/superuser/users/bob", { enabled: false });
    const seen: string[] = [];
    for (let query = "?limit=2"; query !== "";) {
      const page = await root.expect(200, "GET", `/superuser/users/${query}`);
      expect(page.users.length).toBeLessThanOrEqual(2);
      seen.push(...page.users.map((user: { name: string }) => user.name));
      query = page.next_page === undefined ? "" : `?limit=2&next_page=${encodeURIComponent(page.next_page)}`;
    }
    expect(seen).toEqual(["alice", "bob", "carol", "root"]);
    const enabled = await root.expect(200, "GET", "/superuser/users/?disabled=false");
    expect(enabled.users.map((user: { name: string }) => user.name)).toEqual(["alice", "carol", "root"]);
    await root.expect(400, "GET", "/superuser/users/?limit=101");
    await root.expect(400, "GET", "/superuser/users/?limit=-1");
  });
});

Deno.test("superuser/users/{username}: password, address and state are changed together or not at all", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    const root = await site.browserOf("root");
    const bob = await site.browserOf("bob");
    const changed = await root.expect(200, "PUT", "/superuser/users/bob", {
      password: "another-password",
      email: "bob@example.net",
    });
    expect(changed).toMatchObject({ email: "bob@example.net", enabled: true });
    expect(decryptPassword(deps.config, changed.encrypted_password)).toBe("another-password");
    await authenticateBasic(deps, "bob", "another-password");
    // A new password ends the sessions.
    await bob.expect(401, "GET", "/user/");
    await root.expect(400, "PUT", "/superuser/users/bob", { enabled: false, email: "alice@example.org" });
    await root.expect(400, "PUT", "/superuser/users/bob", { enabled: false, password: "short" });
    expect((await root.expect(200, "GET", "/superuser/users/bob")).enabled).toBe(true);
    await root.expect(200, "PUT", "/superuser/users/bob", { enabled: false });
    await expect(authenticateBasic(deps, "bob", "another-password")).rejects.toThrow("disabled");
    await root.expect(200, "PUT", "/superuser/users/bob", { enabled: true });
    await authenticateBasic(deps, "bob", "another-password");
    expect(await logged(deps, "user_change_password")).toEqual([{ username: "bob", superuser: "root" }]);
    expect(await logged(deps, "user_change_email")).toEqual([
      { username: "bob", old_email: "bob@example.org", email: "bob@example.net", superuser: "root" },
    ]);
    expect(await logged(deps, "user_disable")).toEqual([{ username: "bob", superuser: "root" }]);
    expect(await logged(deps, "user_enable")).toEqual([{ username: "bob", superuser: "root" }]);
  });
});

Deno.test("superuser/users/{username}: superusers are spared, and made in config.yaml only", async () => {
  await withSite({ SUPER_USERS: ["root", "carol"] }, async (site) => {
    const root = await site.browserOf("root");
    for (const [method, body] of [["PUT", { enabled: false }], ["DELETE", undefined]] as const) {
      const { error_message } = await root.expect(400, method, "/superuser/users/carol", body);
      expect(error_message).toContain("superuser");
    }
    expect((await root.expect(200, "GET", "/superuser/users/carol")).super_user).toBe(true);
    const { error_message } = await root.expect(400, "PUT", "/superuser/users/bob", { superuser: true });
    expect(error_message).toContain("SUPER_USERS");
    await root.expect(200, "PUT", "/superuser/users/bob", { superuser: false });
  });
});

Deno.test("superuser/*: not there without FEATURE_SUPER_USERS; a token needs super:user; fresh sign-in", async () => {
  await withSite({ GLOBAL_READONLY_SUPER_USERS: ["carol"] }, async (site) => {
    const paths = [
      "/superuser/users/",
      "/superuser/users/bob",
      "/superuser/organizations/",
      "/superuser/registrysize/",
      "/superuser/registrystatus",
      "/superuser/keys",
    ];
    const allowed = await site.scriptOf("root", ["super:user"]);
    const limited = await site.scriptOf("root", ["repo:admin", "org:admin", "user:admin"]);
    const [bob, carol] = [await site.browserOf("bob"), await site.browserOf("carol")];
    for (const path of paths) {
      await allowed.expect(200, "GET", path);
      await carol.expect(200, "GET", path);
      await limited.expect(403, "GET", path);
      await bob.expect(403, "GET", path);
      await site.stranger().expect(401, "GET", path);
    }
    await carol.expect(403, "GET", "/superuser/changelog/");
    await carol.expect(403, "POST", "/superuser/users/", { username: "made" });
    await carol.expect(403, "PUT", "/superuser/users/bob", { superuser: true });
    await carol.expect(403, "DELETE", "/superuser/users/nobody-here");
    const root = await site.browserOf("root");
    Object.assign(site.deps, { now: () => Date.now() + 3600_000 });
    const { error_type } = await root.expect(401, "GET", "/superuser/users/");
    expect(error_type).toBe("fresh_login_required");
    await root.expect(200, "GET", "/superuser/keys");
  });
  await withSite({ FEATURE_SUPER_USERS: false }, async (site) => {
    const root = await site.browserOf("root");
    for (const path of ["/superuser/users/", "/superuser/keys", "/superuser/changelog/"]) {
      await root.expect(404, "GET", path);
    }
  });
});

Deno.test("superusers/users/{username}/sendrecovery: a mail to the address, for all but superusers", async () => {
  await withSite({ FEATURE_MAILING: true, SUPER_USERS: ["root", "carol"] }, async (site) => {
    const { sent } = site.deps.mail as RecordedMail;
    const root = await site.browserOf("root");
    expect(await root.expect(200, "POST", "/superusers/users/bob/sendrecovery")).toEqual({
      email: "bob@example.org",
    });
    expect(sent.map(({ to, text }) => [to, /recovery\?code=[A-Z0-9]{40}/.test(text)])).toEqual([
      ["bob@example.org", true],
    ]);
    await root.expect(400, "POST", "/superusers/users/carol/sendrecovery");
    await root.expect(404, "POST", "/superusers/users/nobody-here/sendrecovery");
    await site.deps.sql`update "user" set email = 'filler' where username = 'alice'`;
    await root.expect(400, "POST", "/superusers/users/alice/sendrecovery");
    await (await site.browserOf("bob")).expect(403, "POST", "/superusers/users/bob/sendrecovery");
    expect(sent.length).toBe(1);
  });
  await withSite({}, async (site) => {
    await (await site.browserOf("root")).expect(404, "POST", "/superusers/users/bob/sendrecovery");
  });
});

Deno.test("POST superuser/users/: with FEATURE_MAILING the address is to be confirmed", async () => {
  await withSite({ FEATURE_MAILING: true }, async (site) => {
    const root = await site.browserOf("root");
    await root.expect(400, "POST", "/superuser/users/", { username: "dave" });
    await root.expect(200, "POST", "/superuser/users/", { username: "dave", email: "dave@example.org" });
    expect((site.deps.mail as RecordedMail).sent.map(({ to }) => to)).toEqual(["dave@example.org"]);
    expect((await root.expect(200, "GET", "/superuser/users/dave")).verified).toBe(false);
  });
});

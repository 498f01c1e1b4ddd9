import { expect } from "@std/testing";
import { withEmptySite } from "./site.ts";
import { ApiClient, mount } from "./api_client.ts";

const FIRST = {
  username: "admin",
  password: "first-password",
  email: "admin@example.org",
  access_token: true,
};

Deno.test("POST /user/initialize: the first user, a session, and a token that works", async () => {
  await withEmptySite({}, async ({ deps, stranger }) => {
    const browser = stranger();
    const created = await browser.expect(200, "POST", "/user/initialize", FIRST);
    expect(Object.keys(created).sort()).toEqual(["access_token", "email", "encrypted_password", "username"]);
    expect(created).toMatchObject({ username: "admin", email: "admin@example.org" });
    expect(created.access_token).toMatch(/^[A-Za-z0-9]{40}$/);
    await browser.expect(200, "GET", "/user/");

    const script = new ApiClient(mount(deps), created.access_token);
    expect((await script.expect(200, "GET", "/user/")).username).toBe("admin");
    await script.expect(201, "POST", "/organization/", { name: "acme" });
    const repository = { namespace: "acme", repository: "a/b", visibility: "public", description: "" };
    expect(await script.expect(201, "POST", "/repository", repository))
      .toEqual({ namespace: "acme", name: "a/b", kind: "image" });

    const [application] = await deps.sql`
      select a.client_id, a.name, t.scope, extract(epoch from t.expires_at - now() at time zone 'utc')::float8 as left
      from oauthapplication a join oauthaccesstoken t on t.application_id = a.id`;
    expect(application).toMatchObject({ client_id: "admin", name: "automation" });
    expect(application?.scope.split(" ").length).toBe(8);
    expect(Math.abs(application?.left - 9000)).toBeLessThan(60);

    // Signs in with the password in its encrypted form too.
    expect((await stranger().signIn("admin", created.encrypted_password)).status).toBe(200);
    await stranger().expect(400, "POST", "/user/initialize", { ...FIRST, username: "second" });
  });
});

Deno.test("POST /user/initialize: of several at once, one wins", async () => {
  await withEmptySite({}, async ({ deps, stranger }) => {
    const attempts = ["one", "two", "three"].map((username) =>
      stranger().api("POST", "/user/initialize", { username, password: "first-password" })
    );
    const statuses = (await Promise.all(attempts)).map((response) => response.status).sort();
    expect(statuses).toEqual([200, 400, 400]);
    const [count] = await deps.sql`select count(*)::integer as users from "user"`;
    expect(count?.users).toBe(1);
  });
});

Deno.test("POST /user/initialize: conditions and bad input", async () => {
  await withEmptySite({ FEATURE_USER_INITIALIZE: false }, async ({ stranger }) => {
    await stranger().expect(404, "POST", "/user/initialize", FIRST);
  });
  await withEmptySite({ FEATURE_MAILING: true }, async ({ stranger }) => {
    const { email: _email, ...withoutEmail } = FIRST;
    await stranger().expect(400, "POST", "/user/initialize", withoutEmail);
    for (
      const bad of [
        { username: "A" },
        { username: "Admin" },
        { username: "a--b" },
        { username: "b\u00fcro" },
        { username: "x".repeat(256) },
        { username: "ad+min" },
        { username: 7 },
        { username: null },
        { password: "short" },
        { password: "has a space" },
        { password: "p".repeat(5000) },
        { email: "not-an-address" },
        { access_token: "yes" },
      ]
    ) {
      const { message } = await stranger().expect(400, "POST", "/user/initialize", { ...FIRST, ...bad });
      expect(typeof message).toBe("string");
    }
    await stranger().expect(200, "POST", "/user/initialize", FIRST);
  });
});

import { expect } from "@std/testing";
import { createOrganization } from "../../src/domain/organizations/organizations.ts";
import { OPERATOR } from "../api/site.ts";
import { CALLBACK, withWorld } from "./world.ts";

const AT = "/organization/acme/applications";

Deno.test("organization/{org}/applications: made, listed, read, changed, given another secret, deleted", async () => {
  await withWorld({ GLOBAL_READONLY_SUPER_USERS: ["bob"] }, async (world) => {
    const alice = await world.browserOf("alice");
    const made = await alice.expect(200, "POST", AT, { name: " Deployer " });
    expect(made).toEqual({
      name: "Deployer",
      description: "",
      application_uri: "",
      client_id: expect.stringMatching(/^[A-Z0-9]{20}$/),
      client_secret: expect.stringMatching(/^[A-Z0-9]{40}$/),
      redirect_uri: "",
      avatar_email: null,
    });
    const [stored] = await world.deps.sql`select secure_client_secret as secret from oauthapplication`;
    expect(stored?.secret).not.toContain(made.client_secret);
    const at = `${AT}/${made.client_id}`;
    expect(await alice.expect(200, "GET", at)).toEqual(made);
    const changed = await alice.expect(200, "PUT", at, {
      name: "Renamed",
      redirect_uri: CALLBACK,
      application_uri: "https://app.example/",
      description: "Ships things",
      avatar_email: "app@example.org",
    });
    expect(changed).toEqual({
      ...made,
      name: "Renamed",
      redirect_uri: CALLBACK,
      application_uri: "https://app.example/",
      description: "Ships things",
      avatar_email: "app@example.org",
    });
    const reset = await alice.expect(200, "POST", `${at}/resetclientsecret`);
    expect(reset).toEqual({ ...changed, client_secret: expect.stringMatching(/^[A-Z0-9]{40}$/) });
    expect(reset.client_secret).not.toBe(made.client_secret);
    expect(await alice.expect(200, "GET", AT)).toEqual({ applications: [reset] });
    // A global read-only superuser sees it without its secret.
    const auditor = await world.browserOf("bob");
    expect(await auditor.expect(200, "GET", AT)).toEqual({
      applications: [{ ...reset, client_secret: null }],
    });
    expect(await auditor.expect(200, "GET", at)).toEqual({ ...reset, client_secret: null });
    await auditor.expect(403, "DELETE", at);
    // Everybody may know whom they are dealing with.
    expect(await world.stranger().expect(200, "GET", `/app/${made.client_id}`)).toEqual({
      name: "Renamed",
      description: "Ships things",
      uri: "https://app.example/",
      avatar: expect.objectContaining({ kind: "app" }),
      organization: { name: "acme", avatar: expect.objectContaining({ kind: "org" }) },
    });
    await alice.expect(204, "DELETE", at);
    await alice.expect(404, "GET", at);
    await alice.expect(404, "DELETE", at);
    await world.stranger().expect(404, "GET", `/app/${made.client_id}`);
    const entry = (name: string) => [
      expect.objectContaining({
        namespace: "acme",
        performer: "alice",
        metadata: { application_name: name, client_id: made.client_id },
      }),
    ];
    expect(await world.logged("create_application")).toEqual(entry("Deployer"));
    expect(await world.logged("update_application")).toEqual(entry("Renamed"));
    expect(await world.logged("reset_application_client_secret")).toEqual(entry("Renamed"));
    expect(await world.logged("delete_application")).toEqual(entry("Renamed"));
  });
});

Deno.test("organization/{org}/applications: those of others, bodies that are no good, and nothing half done", async () => {
  await withWorld({}, async (world) => {
    await createOrganization(world.deps, OPERATOR, { name: "other", owner: "bob" });
    const alice = await world.browserOf("alice");
    const bob = await world.browserOf("bob");
    const { client_id } = await bob.expect(200, "POST", "/organization/other/applications", { name: "bobs" });
    const fields = { name: "x", redirect_uri: "", application_uri: "" };
    await alice.expect(404, "GET", `${AT}/${client_id}`);
    await alice.expect(404, "PUT", `${AT}/${client_id}`, fields);
    await alice.expect(404, "DELETE", `${AT}/${client_id}`);
    await alice.expect(404, "POST", `${AT}/${client_id}/resetclientsecret`);
    await alice.expect(403, "GET", "/organization/other/applications");
    await alice.expect(403, "GET", "/organization/nowhere/applications");
    await world.stranger().expect(401, "GET", AT);
    for (
      const body of [
        undefined,
        {},
        { name: "" },
        { name: "   " },
        { name: 7 },
        { name: "n".repeat(256) },
        { name: "n", redirect_uri: `https://x/${"y".repeat(255)}` },
        { name: "n", redirect_uri: 7 },
      ]
    ) await alice.expect(400, "POST", AT, body);
    for (
      const body of [{ name: "n" }, { ...fields, name: undefined }, { ...fields, redirect_uri: undefined }]
    ) {
      await bob.expect(400, "PUT", `/organization/other/applications/${client_id}`, body);
    }
    expect(await alice.expect(200, "GET", AT)).toEqual({ applications: [] });
    expect((await bob.expect(200, "GET", "/organization/other/applications")).applications[0].name).toBe(
      "bobs",
    );
  });
});

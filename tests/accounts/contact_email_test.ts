import { expect } from "@std/testing";
import { logOf, withMailedSite } from "./mailbox.ts";
import { withSite } from "../api/site.ts";

const CONTACT = "contact@example.org";

Deno.test("POST /organization/: contact_email may be shared, and does where mails are sent", async () => {
  await withMailedSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    await alice.expect(400, "POST", "/organization/", { name: "none" });
    for (const contact_email of ["not an address", 7, `${"a".repeat(300)}@example.org`]) {
      await alice.expect(400, "POST", "/organization/", { name: "none", contact_email });
    }
    await alice.expect(404, "GET", "/organization/none");
    // bob's own address: nobody signs in with a contact.
    for (const [name, contact_email] of [["one", CONTACT], ["two", CONTACT], ["three", "bob@example.org"]]) {
      await alice.expect(201, "POST", "/organization/", { name, contact_email });
      expect(await alice.expect(200, "GET", `/organization/${name}`)).toMatchObject({
        email: contact_email,
        contact_email,
      });
      const seen = await (await site.browserOf("carol")).expect(200, "GET", `/organization/${name}`);
      expect([seen.email, "contact_email" in seen]).toEqual(["", false]);
      expect(await logOf(site, name!)).toEqual([
        { kind: "org_create", performer: "alice", metadata: { email: contact_email, namespace: name } },
      ]);
    }
    const own = { name: "four", email: "four@example.org" };
    await alice.expect(201, "POST", "/organization/", own);
    expect((await alice.expect(200, "GET", "/organization/four")).contact_email).toBe(own.email);
  });
});

Deno.test("PUT /organization/{org}: contact_email is set, changed and taken away; what a form sends back changes nothing", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    const put = async (body: unknown) => {
      const { email, contact_email } = await alice.expect(200, "PUT", "/organization/acme", body);
      return [email, contact_email];
    };
    expect(await put({ contact_email: "" })).toEqual(["", ""]);
    expect(await put({ contact_email: CONTACT })).toEqual([CONTACT, CONTACT]);
    expect(await put({ email: CONTACT, contact_email: CONTACT })).toEqual([CONTACT, CONTACT]);
    expect(await put({ email: "acme@example.org" })).toEqual(["acme@example.org", CONTACT]);
    await alice.expect(400, "PUT", "/organization/acme", { contact_email: "no address" });
    expect(await put({ contact_email: null })).toEqual(["acme@example.org", "acme@example.org"]);
    expect(await put({ contact_email: "acme@example.org" })).toEqual([
      "acme@example.org",
      "acme@example.org",
    ]);
    const [row] = await site.deps.sql<{ count: number }[]>`
      select count(*)::integer as count from organizationcontactemail`;
    expect(row?.count).toBe(0);
    const changes = (await logOf(site, "acme")).filter(({ kind }) => kind === "org_change_email");
    expect(changes.map(({ metadata }) => [metadata.old_email, metadata.email])).toEqual([
      ["", CONTACT],
      ["", "acme@example.org"],
      [CONTACT, ""],
    ]);
    await (await site.browserOf("carol")).expect(403, "PUT", "/organization/acme", {
      contact_email: CONTACT,
    });
  });
});

Deno.test("POST /recovery: the contact of organizations is told who administers them, each by its own mail", async () => {
  await withMailedSite({}, async (site, mailbox) => {
    const alice = await site.browserOf("alice");
    for (const name of ["one", "two", "gone"]) {
      await alice.expect(201, "POST", "/organization/", { name, contact_email: CONTACT });
    }
    await alice.expect(204, "DELETE", "/organization/gone");
    const browser = site.stranger();
    await browser.fetchCsrf();
    const answer = await browser.expect(200, "POST", "/recovery", { email: "Contact@Example.org" });
    expect(answer).toEqual({ status: "org", orgemail: "Contact@Example.org", orgname: "o*e" });
    const texts = [await mailbox.next(CONTACT), await mailbox.next(CONTACT)];
    for (const [index, name] of ["one", "two"].entries()) {
      expect(texts.map(({ text }) => text).sort()[index]).toContain(name);
    }
    for (const { text } of texts) expect(text).toContain("alice");
    expect(mailbox.sent).toEqual([]);
  });
});

/** Words of Quay's errors that automation looks at to tell "it is there already" from a failure. */
import { expect } from "@std/testing";
import { withSite } from "./site.ts";

Deno.test("errors: automation recognises by Quay's words what is there already, and what is not", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    const repository = { namespace: "acme", repository: "app", visibility: "private", description: "" };
    await alice.expect(201, "POST", "/repository", repository);
    await alice.expect(201, "PUT", "/organization/acme/robots/ci");
    await alice.expect(201, "PUT", "/user/robots/ci");
    const rows: [words: string, method: string, path: string, body?: unknown][] = [
      ["Repository already exists", "POST", "/repository", repository],
      ["Existing robot with name: acme+ci", "PUT", "/organization/acme/robots/ci"],
      ["Existing robot with name: alice+ci", "PUT", "/user/robots/ci", { description: "again" }],
      ["Could not find robot with specified username", "GET", "/organization/acme/robots/other"],
      ["Could not find robot with specified username", "DELETE", "/organization/acme/robots/other"],
      ["A user or organization with this name already exists", "POST", "/organization/", { name: "acme" }],
      ["A user or organization with this name already exists", "POST", "/organization/", { name: "bob" }],
      ["The username already exists", "POST", "/user/", { username: "bob", password: "longenough" }],
      ["E-mail address already used", "PUT", "/organization/acme", { email: "bob@example.org" }],
    ];
    for (const [words, method, path, body] of rows) {
      const { message, error_message, detail } = await alice.expect(400, method, path, body);
      expect([path, message, error_message, detail]).toEqual([path, words, words, words]);
    }
  });
});

import assert from "node:assert/strict";
import { digestOf } from "../../src/oci/digest.ts";
import { expectError, withRegistry } from "./fixture.ts";

const path = (reference: string) => `/v2/acme/app/manifests/${reference}`;

Deno.test("PUT, DELETE /v2/<name>/manifests/<reference>: an immutable tag is 409 TAG_IMMUTABLE, its own image again is not", () =>
  withRegistry(async (registry) => {
    const [one, two] = [
      JSON.stringify(await registry.image("one")),
      JSON.stringify(await registry.image("two")),
    ];
    assert.equal((await registry.push("v1", one)).status, 201);
    await registry.sql`update tag set immutable = true`;
    await expectError(await registry.push("v1", two), 409, "TAG_IMMUTABLE");
    await expectError(await registry.push(`${digestOf(two)}?tag=v1&tag=v2`, two), 409, "TAG_IMMUTABLE");
    await expectError(await registry.call("DELETE", path("v1")), 409, "TAG_IMMUTABLE");
    await expectError(await registry.call("DELETE", path(digestOf(one))), 409, "TAG_IMMUTABLE");
    assert.equal((await registry.push("v1", one)).status, 201);
    const answer = await registry.call("HEAD", path("v1"));
    assert.equal(answer.headers.get("docker-content-digest"), digestOf(one));
    assert.equal((await registry.sql`select from tag where not hidden`).length, 1);
  }));

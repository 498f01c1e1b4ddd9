import { expect } from "@std/testing";
import { createPrivateKey, createPublicKey, createSign, createVerify } from "node:crypto";
import { cleanServiceKeys } from "../../src/domain/site/managed_service_keys.ts";
import { findVerificationKey } from "../../src/domain/site/service_keys.ts";
import { insertServiceKey } from "../../src/drivers/database/queries/service_key.ts";
import type { Deps } from "../../src/domain/deps.ts";
import { stopClock } from "../api/content.ts";
import { withSite } from "../api/site.ts";

async function kinds({ sql }: Deps): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select k.name from logentry3 l join logentrykind k on k.id = l.kind_id
    where k.name like 'service_key%' order by l.id`;
  return rows.map(({ name }) => name);
}

/** A key that a service has handed in and nobody has looked at. */
async function submit(deps: Deps, kid: string): Promise<void> {
  await insertServiceKey(deps.sql, {
    name: "handed in",
    kid,
    service: "clair",
    jwk: JSON.stringify({ kty: "RSA", n: "AQAB", e: "AQAB" }),
    metadata: "{}",
    nowMs: deps.now(),
    expiresAtMs: null,
    approvalId: null,
  });
}

Deno.test("superuser/keys: made, believed, changed, deleted, not believed", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    const clock = stopClock(deps, Date.UTC(2026, 10, 24));
    const root = await site.browserOf("root");
    const endS = clock.ms / 1000 + 3600;
    const made = await root.expect(200, "POST", "/superuser/keys", {
      service: "clair",
      name: "scanner: one",
      expiration: endS,
      metadata: { place: "rack 7" },
      notes: "for the new scanner",
    });
    const signer = createSign("sha256").update("words");
    const signature = signer.sign(createPrivateKey(made.private_key));
    expect(createVerify("sha256").update("words").verify(createPublicKey(made.public_key), signature)).toBe(
      true,
    );
    expect(made.private_key).toMatch(/^-----BEGIN RSA PRIVATE KEY-----\n/);
    expect(made.public_key).toMatch(/^-----BEGIN PUBLIC KEY-----\n/);
    const shown = await root.expect(200, "GET", `/superuser/keys/${made.kid}`);
    expect(shown).toEqual({
      name: "scanner: one",
      kid: made.kid,
      service: "clair",
      jwk: expect.objectContaining({ kty: "RSA", e: "AQAB" }),
      metadata: { place: "rack 7", created_by: "Quay Superuser Panel", creator: "root", ip: null },
      created_date: "Tue, 24 Nov 2026 00:00:00 GMT",
      expiration_date: "Tue, 24 Nov 2026 01:00:00 GMT",
      rotation_duration: null,
      approval: {
        approver: expect.objectContaining({ name: "root", super_user: true }),
        approval_type: "Super User API",
        approved_date: "Tue, 24 Nov 2026 00:00:00 GMT",
        notes: "for the new scanner",
      },
    });
    expect(JSON.stringify(shown)).not.toContain("PRIVATE");
    expect(Object.keys(shown.jwk).sort()).toEqual(["e", "kid", "kty", "n"]);
    expect((await findVerificationKey(deps, made.kid))?.service).toBe("clair");

    const changed = await root.expect(200, "PUT", `/superuser/keys/${made.kid}`, {
      name: "renamed",
      metadata: { place: "rack 8" },
      expiration: null,
    });
    expect(changed).toMatchObject({ name: "renamed", metadata: { place: "rack 8" }, expiration_date: null });
    await root.expect(400, "PUT", `/superuser/keys/${made.kid}`, { expiration: clock.ms / 1000 - 1 });
    await root.expect(400, "PUT", `/superuser/keys/${made.kid}`, { name: "no;semicolons" });
    await root.expect(204, "DELETE", `/superuser/keys/${made.kid}`);
    expect(await findVerificationKey(deps, made.kid)).toBe(undefined);
    for (const method of ["GET", "DELETE"]) await root.expect(404, method, `/superuser/keys/${made.kid}`);
    await root.expect(404, "PUT", `/superuser/keys/${made.kid}`, { name: "x" });
    expect(await kinds(deps)).toEqual([
      "service_key_create",
      "service_key_approve",
      "service_key_extend",
      "service_key_modify",
      "service_key_delete",
    ]);
    for (
      const body of [
        { service: "clair" },
        { service: "", expiration: null },
        { service: "clair", expiration: "soon" },
        { service: "clair", expiration: clock.ms / 1000 - 1 },
        { service: "clair", expiration: 1e300 },
        { service: "clair", expiration: null, name: "no;semicolons" },
        { service: "x".repeat(256), expiration: null },
      ]
    ) await root.expect(400, "POST", "/superuser/keys", body);
    expect((await root.expect(200, "GET", "/superuser/keys")).keys).toEqual([]);
  });
});

Deno.test("superuser/approvedkeys/{kid}: a key that was handed in is believed from then on", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    await submit(deps, "waiting");
    const root = await site.browserOf("root");
    expect((await root.expect(200, "GET", "/superuser/keys/waiting")).approval).toBe(null);
    expect(await findVerificationKey(deps, "waiting")).toBe(undefined);
    const bob = await site.browserOf("bob");
    await bob.expect(403, "POST", "/superuser/approvedkeys/waiting", {});
    await root.expect(201, "POST", "/superuser/approvedkeys/waiting", { notes: "seen" });
    // Once more, and as Quay's console does it.
    await root.expect(201, "POST", "/superuser/approvedkeys/waiting");
    const { approval } = await root.expect(200, "GET", "/superuser/keys/waiting");
    expect([approval.notes, approval.approver.username]).toEqual(["seen", "root"]);
    expect((await findVerificationKey(deps, "waiting"))?.service).toBe("clair");
    await root.expect(404, "POST", "/superuser/approvedkeys/unknown", {});
    expect(await kinds(deps)).toEqual(["service_key_approve"]);
  });
});

Deno.test("cleanServiceKeys() removes keys that nobody approved in a day, and a week after their end", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    const clock = stopClock(deps, Date.UTC(2026, 10, 24));
    const root = await site.browserOf("root");
    await submit(deps, "forgotten");
    await submit(deps, "approved");
    await root.expect(201, "POST", "/superuser/approvedkeys/approved", {});
    const body = { service: "clair", expiration: clock.ms / 1000 + 3600 };
    const { kid } = await root.expect(200, "POST", "/superuser/keys", body);
    clock.ms += 86_400_000 + 1000;
    expect(await cleanServiceKeys(deps)).toBe(1);
    clock.ms += 6 * 86_400_000;
    expect(await cleanServiceKeys(deps)).toBe(0);
    clock.ms += 3600_000;
    expect(await cleanServiceKeys(deps)).toBe(1);
    const rows = await deps.sql<{ kid: string }[]>`select kid from servicekey`;
    expect(rows.map((row) => row.kid)).toEqual(["approved"]);
    expect(kid).not.toBe("approved");
  });
});

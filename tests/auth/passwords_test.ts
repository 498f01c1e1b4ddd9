import assert from "node:assert/strict";
import { hashPassword, verifyPassword } from "../../src/domain/accounts/passwords.ts";

Deno.test("hashPassword(): a bcrypt hash as Quay stores it, and of cost 12 unless told", async () => {
  assert.match(await hashPassword("correct horse", 4), /^\$2b\$04\$[./A-Za-z0-9]{53}$/);
  assert.match(await hashPassword("correct horse"), /^\$2b\$12\$[./A-Za-z0-9]{53}$/);
});

Deno.test("verifyPassword(): the right one, again from memory, a wrong one, no account", async () => {
  const hash = await hashPassword("correct horse", 4);
  assert.equal(await verifyPassword("correct horse", hash), true);
  assert.equal(await verifyPassword("correct horse", hash), true);
  assert.equal(await verifyPassword("wrong horse", hash), false);
  assert.equal(await verifyPassword("", hash), false);
  assert.equal(await verifyPassword("correct horse", null), false);
  assert.equal(await verifyPassword("correct horse", "not a hash"), false);
});

Deno.test("verifyPassword(): a hash made by Python's bcrypt, as in a database of Quay", async () => {
  // bcrypt's published test vectors.
  const hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
  assert.equal(await verifyPassword("U*U", hash), true);
  assert.equal(await verifyPassword("U*V", hash), false);
});

Deno.test("verifyPassword(): what follows the 72nd byte counts", async () => {
  const long = "x".repeat(72);
  const hash = await hashPassword(`${long}a`, 4);
  assert.equal(await verifyPassword(`${long}a`, hash), true);
  assert.equal(await verifyPassword(`${long}b`, hash), false);
});

Deno.test("verifyPassword(): many at once are all answered, and a flood is refused", async () => {
  const hash = await hashPassword("correct horse", 4);
  const few = await Promise.all(Array.from({ length: 20 }, (_, i) => verifyPassword(`wrong ${i}`, hash)));
  assert.ok(few.every((matches) => !matches));
  const flood = await Promise.allSettled(
    Array.from({ length: 200 }, (_, i) => verifyPassword(`w ${i}`, hash)),
  );
  const refused = flood.filter((one) => one.status === "rejected" && one.reason.code === "too_many_attempts");
  assert.equal(refused.length, 136);
});

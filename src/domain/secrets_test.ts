import assert from "node:assert/strict";
import {
  createSecretBox,
  decryptPassword,
  encryptPassword,
  openPageToken,
  PAGE_TOKEN_LIFETIME_MS,
  sealPageToken,
} from "./secrets.ts";

const box = createSecretBox({ DATABASE_SECRET_KEY: "one key of an operator" });

Deno.test("SecretBox: what was sealed opens, looks different each time, and shows its version", () => {
  const [a, b] = [box.encrypt("geheim ✓"), box.encrypt("geheim ✓")];
  assert.match(a, /^v1\$\$[\w-]+$/);
  assert.notEqual(a, b);
  assert.equal(box.decrypt(a), "geheim ✓");
  assert.equal(box.decrypt(box.encrypt("")), "");
});

Deno.test("SecretBox: another key, a changed byte, a cut end and foreign text do not open", () => {
  const sealed = box.encrypt("A".repeat(64));
  const other = createSecretBox({ DATABASE_SECRET_KEY: "another key" });
  assert.throws(() => other.decrypt(sealed));
  for (
    const bad of [sealed.slice(0, -4), sealed.replace("v1", "v0"), flip(sealed, 20), "v1$$", "", "plain"]
  ) {
    assert.throws(() => box.decrypt(bad), /does not open/, bad);
  }
  assert.throws(() => createSecretBox({ DATABASE_SECRET_KEY: "" }), /is not set/);
});

Deno.test("encryptPassword(): opens under the same SECRET_KEY only, and nothing else is taken for one", () => {
  const config = { SECRET_KEY: "k1" };
  const encrypted = encryptPassword(config, "hunter22");
  assert.equal(decryptPassword(config, encrypted), "hunter22");
  assert.equal(decryptPassword({ SECRET_KEY: "k2" }, encrypted), undefined);
  assert.equal(decryptPassword(config, "hunter22"), undefined);
  assert.equal(decryptPassword(config, "v1$$hunter22"), undefined);
  const stored = createSecretBox({ DATABASE_SECRET_KEY: "k1" }).encrypt('{"password":"hunter22"}');
  assert.equal(decryptPassword(config, stored), undefined, "sealed for another purpose");
});

Deno.test("sealPageToken(): opens for two days, and no changed token does", () => {
  let nowMs = 1_000_000;
  const deps = { config: { SECRET_KEY: "k1", PAGE_TOKEN_KEY: null }, now: () => nowMs };
  const token = sealPageToken(deps, { after: "alpha" });
  assert.match(token, /^[\w-]+$/);
  assert.deepEqual(openPageToken(deps, token), { after: "alpha" });
  for (const bad of ["", "x", flip(token, 10), encryptPassword(deps.config, "p").slice(4)]) {
    assert.throws(() => openPageToken(deps, bad), { code: "invalid_request" });
  }
  nowMs += PAGE_TOKEN_LIFETIME_MS;
  assert.throws(() => openPageToken(deps, token), { code: "invalid_request" });
});

function flip(text: string, at: number): string {
  return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
}

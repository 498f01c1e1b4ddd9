import { expect } from "@std/testing";
import { createVerify, generateKeyPairSync } from "node:crypto";
import { createCloudFrontSigner } from "./cloud_front.ts";

Deno.test("createCloudFrontSigner(): a canned policy that the key's owner can verify; domains of namespaces", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const settings = { domain: "d1.example", keyId: "K1", keyFile: "", domainOf: { acme: "acme.example" } };
  const sign = createCloudFrontSigner(
    settings,
    privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  );
  const url = sign("registry/sha256/ab/abc", { expiresMs: 1_700_000_000_999 });
  expect(url.origin + url.pathname).toBe("https://d1.example/registry/sha256/ab/abc");
  expect(url.searchParams.get("Key-Pair-Id")).toBe("K1");
  expect(url.searchParams.get("Expires")).toBe("1700000000");
  const signature = url.searchParams.get("Signature")!.replaceAll("-", "+").replaceAll("_", "=").replaceAll(
    "~",
    "/",
  );
  const policy =
    '{"Statement":[{"Resource":"https://d1.example/registry/sha256/ab/abc","Condition":{"DateLessThan":{"AWS:EpochTime":1700000000}}}]}';
  expect(createVerify("RSA-SHA1").update(policy).verify(publicKey, signature, "base64")).toBe(true);
  expect(sign("x", { expiresMs: 0, namespace: "acme" }).hostname).toBe("acme.example");
  expect(sign("x", { expiresMs: 0, namespace: "constructor" }).hostname).toBe("d1.example");
});

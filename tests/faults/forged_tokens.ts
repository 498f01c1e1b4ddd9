import { createPrivateKey } from "node:crypto";
import { decodeJwt, decodeProtectedHeader, generateKeyPair, type JWTPayload, SignJWT } from "jose";

/** Tokens that must not open anything, made from a good one and this appliance's own key. */
export async function forgedTokens(good: string, dataDir: string): Promise<Record<string, string>> {
  const key = createPrivateKey(await Deno.readTextFile(`${dataDir}/keys/quay.pem`));
  const { kid } = decodeProtectedHeader(good);
  const payload = decodeJwt(good);
  const [head = "", body = "", signature = ""] = good.split(".");
  const sign = (changes: JWTPayload, by: Parameters<SignJWT["sign"]>[0] = key, header: object = {}) =>
    new SignJWT({ ...payload, ...changes }).setProtectedHeader({
      typ: "JWT",
      alg: "RS256",
      ...(kid !== undefined && { kid }),
      ...header,
    }).sign(by);
  const other = await generateKeyPair("RS256");
  const encode = (value: object) =>
    btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  const nowS = Math.floor(Date.now() / 1000);
  return {
    expired: await sign({ iat: nowS - 7200, nbf: nowS - 7200, exp: nowS - 3600 }),
    "not valid yet": await sign({ nbf: nowS + 3600, exp: nowS + 7200 }),
    "for another service": await sign({ aud: "registry.elsewhere.example" }),
    "of another issuer": await sign({ iss: "elsewhere" }),
    "signed by another key": await sign({}, other.privateKey),
    "of an unknown key": await sign({}, key, { kid: "nobody" }),
    "without a signature": `${encode({ typ: "JWT", alg: "none" })}.${body}.`,
    "with a cut signature": `${head}.${body}.${signature.slice(0, -6)}`,
    "with changed rights": `${head}.${encode({ ...payload, context: {}, sub: "root" })}.${signature}`,
    "no JWT": "not-a-token",
    "of three dots": "...",
    "much too long": `${head}.${"a".repeat(30_000)}.${signature}`,
    "a secret signed with the public key": `${
      encode({ typ: "JWT", alg: "HS256", kid })
    }.${body}.${signature}`,
  };
}

import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { issueServerCertificate, makeAuthority } from "../../src/config/certificates.ts";

/** An OpenID Connect issuer on this machine, over https with a certificate of its own authority. */
export interface Issuer {
  /** Its identifier: `https://localhost:PORT`. */
  readonly url: string;
  /** The authority's certificate. */
  readonly authority: string;
  /** Paths that were asked for. */
  readonly asked: string[];
  /** Answers to give instead of the real ones, by path. */
  readonly answers: Map<string, () => Response>;
  sign(claims: JWTPayload, options?: { alg?: string; kid?: string }): Promise<string>;
  /** Signs with another key from now on, and publishes only that. */
  rotate(): Promise<void>;
}

export const DISCOVERY = "/.well-known/openid-configuration";

export async function withIssuer(test: (issuer: Issuer) => Promise<void>): Promise<void> {
  const authority = await makeAuthority("issuer of the tests", Date.now());
  const { cert, key } = await issueServerCertificate(authority, ["localhost", "127.0.0.1"], Date.now());
  let generation = 1;
  let pair = await generateKeyPair("RS256", { extractable: true });
  const asked: string[] = [];
  const answers = new Map<string, () => Response>();
  const server: Deno.HttpServer<Deno.NetAddr> = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    cert,
    key,
    onListen() {},
  }, async (request) => {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    const answer = answers.get(pathname);
    if (answer !== undefined) return answer();
    if (pathname === DISCOVERY) return Response.json({ issuer: url, jwks_uri: `${url}/keys` });
    if (pathname === "/keys") {
      return Response.json({
        keys: [{ ...await exportJWK(pair.publicKey), kid: `key-${generation}`, use: "sig" }],
      });
    }
    return new Response(null, { status: 404 });
  });
  const url = `https://localhost:${server.addr.port}`;
  try {
    await test({
      url,
      authority: authority.cert,
      asked,
      answers,
      sign: (claims, { alg = "RS256", kid = `key-${generation}` } = {}) =>
        new SignJWT(claims).setProtectedHeader({ alg, kid }).sign(pair.privateKey),
      async rotate() {
        generation++;
        pair = await generateKeyPair("RS256", { extractable: true });
      },
    });
  } finally {
    await server.shutdown();
  }
}

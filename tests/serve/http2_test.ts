import assert from "node:assert/strict";
import { startAppliance } from "../appliance.ts";
import { test } from "../skip.ts";
import { makeCertificate } from "./certificate.ts";

/** Status and exit code of `curl --head` over HTTP/2, which resets a stream whose HEAD is answered with a body. */
async function head(url: string): Promise<{ status: string; exit: number; errors: string }> {
  const { stdout, stderr, code } = await new Deno.Command("curl", {
    args: ["-skS", "--http2", "--head", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", url],
  }).output();
  const decoder = new TextDecoder();
  return { status: decoder.decode(stdout), exit: code, errors: decoder.decode(stderr) };
}

test({
  name: "HEAD over HTTP/2: no body, also when the answer is an error",
  needs: ["curl", "openssl"],
  async fn() {
    const { cert, key } = await makeCertificate("localhost");
    await using appliance = await startAppliance({
      config: { SERVER_HOSTNAME: "localhost" },
      configFiles: { "ssl.cert": cert, "ssl.key": key },
    });
    const expected = {
      "/v2/": 401,
      "/v2/some/thing/manifests/1": 401,
      "/v2/_catalog/nothing": 404,
      "/api/v1/user/": 401,
      "/health/instance": 200,
      "/nowhere": 404,
    };
    for (const [path, status] of Object.entries(expected)) {
      const answer = await head(`${appliance.httpsUrl}${path}`);
      assert.deepEqual(answer, { status: `2 ${status}`, exit: 0, errors: "" }, path);
    }
  },
});

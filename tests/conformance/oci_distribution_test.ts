/**
 * The OCI's own conformance program against a running appliance: every API of the development version of
 * distribution-spec, with Quay's token authentication on.
 */
import assert from "node:assert/strict";
import { startAppliance } from "../appliance.ts";
import { test } from "../skip.ts";

const PROGRAM = "github.com/opencontainers/distribution-spec/conformance";
const VERSION = "v0.0.0-20260831232431-97274622c111";

/** Built once into the tools folder of this checkout. */
async function buildProgram(): Promise<string> {
  const folder = new URL(`../../.tools/conformance-${VERSION}`, import.meta.url).pathname;
  const program = `${folder}/conformance`;
  if (!await Deno.stat(program).then(() => true, () => false)) {
    const { success, stderr } = await new Deno.Command("go", {
      args: ["install", `${PROGRAM}@${VERSION}`],
      env: { GOBIN: folder },
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
  }
  return program;
}

test({
  name: "OCI distribution-spec conformance: no failure, nothing unsupported",
  needs: ["go 1.24.0"],
  async fn() {
    const program = await buildProgram();
    await using appliance = await startAppliance();
    const credentials = { username: "conformance", password: "conformance-password" };
    const response = await fetch(`${appliance.httpUrl}/api/v1/user/initialize`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...credentials, email: "conformance@example.com" }),
    });
    assert.equal(response.status, 200, await response.text());
    const results = await Deno.makeTempDir();
    try {
      const { stdout, stderr } = await new Deno.Command(program, {
        env: {
          OCI_VERSION: "dev",
          OCI_REGISTRY: new URL(appliance.httpUrl).host,
          OCI_TLS: "disabled",
          OCI_REPO1: "conformance/first",
          OCI_REPO2: "conformance/second",
          OCI_USERNAME: credentials.username,
          OCI_PASSWORD: credentials.password,
          OCI_RESULTS_DIR: results,
          OCI_API_BLOBS_UPLOAD_CANCEL: "true",
          OCI_API_BLOBS_DIGEST_HEADER: "true",
          OCI_API_MANIFESTS_DIGEST_HEADER: "true",
          OCI_API_MANIFESTS_TAG_PARAM: "true",
        },
      }).output();
      const report = new TextDecoder().decode(stdout);
      const why = `${report}\n${new TextDecoder().decode(stderr)}`;
      const count = (status: string) =>
        Number(new RegExp(`^ +${status}\\.+: +(\\d+)`, "m").exec(report)?.[1]);
      assert.match(report, /OCI Conformance Result: Pass/, why);
      assert.ok(count("Pass") > 300, why);
      assert.equal(count("FAIL"), 0, why);
      assert.equal(count("Error"), 0, why);
      assert.equal(count("Skip"), 0, why);
    } finally {
      await Deno.remove(results, { recursive: true });
    }
  },
});

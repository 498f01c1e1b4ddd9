import assert from "node:assert/strict";
import { startAppliance } from "../appliance.ts";
import { test } from "../skip.ts";

const SEED = "20261125";
/** Requests for each operation and each way of making them. */
const EXAMPLES = "6";
/** After these nobody is signed in any more, or the caller is gone. */
const ENDING = ["logout", "deleteCurrentUser", "deleteInstallUser", "changeInstallUser"];

test({
  name: "schemathesis over /api/v1/openapi.json as the first superuser: no answer is 500, nothing crashes",
  needs: ["schemathesis"],
  async fn() {
    await using appliance = await startAppliance({
      config: {
        SUPER_USERS: ["root"],
        FEATURE_SUPERUSERS_FULL_ACCESS: true,
        FEATURE_USER_INITIALIZE: true,
        FEATURE_REPO_MIRROR: true,
        FEATURE_ORG_MIRROR: true,
        FEATURE_PROXY_CACHE: true,
        FEATURE_QUOTA_MANAGEMENT: true,
        FEATURE_AUTO_PRUNE: true,
        FEATURE_IMMUTABLE_TAGS: true,
        FEATURE_IMAGE_PULL_STATS: true,
        FEATURE_SUPERUSER_CONFIGDUMP: true,
        FEATURE_MAILING: false,
        PERMANENTLY_DELETE_TAGS: true,
        BROWSER_API_CALLS_XHR_ONLY: false,
      },
    });
    const token = await firstToken(appliance.httpUrl);
    const folder = await Deno.makeTempDir({ prefix: "quaylet-schemathesis-" });
    try {
      const { code, stdout, stderr } = await new Deno.Command("schemathesis", {
        args: [
          ...["run", `${appliance.httpUrl}/api/v1/openapi.json`, "--url", `${appliance.httpUrl}/api/v1`],
          ...["--header", `Authorization: Bearer ${token}`],
          ...["--checks", "no_crash", "--phases", "examples,coverage,fuzzing"],
          ...["--max-examples", EXAMPLES, "--seed", SEED, "--no-shrink", "--continue-on-failure"],
          ...[
            "--workers",
            "1",
            "--request-timeout",
            "60",
            "--suppress-health-check",
            "all",
            "--warnings",
            "off",
          ],
          ...ENDING.flatMap((operation) => ["--exclude-operation-id", operation]),
        ],
        cwd: folder,
        env: {
          SCHEMATHESIS_HOOKS: new URL("schemathesis/hooks.py", import.meta.url).pathname,
          NO_COLOR: "1",
          PYTHONDONTWRITEBYTECODE: "1",
        },
      }).output();
      const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      assert.equal(code, 0, said.slice(-8000));
      const [, cases] = /(\d+) generated/.exec(said) ?? [];
      assert.ok(Number(cases) > 1000, said.slice(-2000));
      const failed = appliance.log.filter(({ msg }) => msg === "api request failed");
      assert.deepEqual(failed, []);
      const alive = await fetch(`${appliance.httpUrl}/health/instance`);
      assert.equal(alive.status, 200, await alive.text());
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

async function firstToken(httpUrl: string): Promise<string> {
  const response = await fetch(`${httpUrl}/api/v1/user/initialize`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      username: "root",
      password: "a-long-password",
      email: "root@example.org",
      access_token: true,
    }),
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text).access_token;
}

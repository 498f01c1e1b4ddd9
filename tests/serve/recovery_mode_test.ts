import assert from "node:assert/strict";
import { startAppliance } from "../appliance.ts";

Deno.test("ACCOUNT_RECOVERY_MODE: people get in, the registry answers 405, workers rest", async () => {
  await using appliance = await startAppliance({
    config: {
      ACCOUNT_RECOVERY_MODE: true,
      FEATURE_USER_INITIALIZE: true,
      FEATURE_REPO_MIRROR: true,
      FEATURE_ORG_MIRROR: true,
    },
  });
  const { httpUrl } = appliance;
  const made = await fetch(`${httpUrl}/api/v1/user/initialize`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      username: "admin",
      password: "first-user-password",
      email: "admin@example.org",
      access_token: true,
    }),
  });
  const { access_token: token } = await made.json();
  const user = await fetch(`${httpUrl}/api/v1/user/`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(user.status, 200, await user.text());

  for (const path of ["/v2/", "/v2/auth?service=x", "/v2/admin/app/manifests/latest"]) {
    const response = await fetch(`${httpUrl}${path}`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(response.status, 405, path);
    assert.equal((await response.json()).errors[0].code, "UNSUPPORTED");
  }
  const started = await fetch(`${httpUrl}/v2/admin/app/blobs/uploads/`, { method: "POST" });
  assert.equal(started.status, 405);
  await started.body?.cancel();

  const config = await (await fetch(`${httpUrl}/config`)).json();
  assert.equal(config.account_recovery_mode, true);
  const health = await fetch(`${httpUrl}/health/instance`);
  assert.equal(health.status, 200, await health.text());
  assert.ok(appliance.log.some(({ msg }) => String(msg).startsWith("ACCOUNT_RECOVERY_MODE")));
});

import assert from "node:assert/strict";
import { startAppliance } from "../appliance.ts";
import { Client, USER } from "../faults/client.ts";
import { Pusher, randomBytes } from "../mirror/images.ts";

Deno.test("an organization with a quota, from outside: counted, warned, refused, with room again", async () => {
  await using appliance = await startAppliance({
    config: {
      SECRET_KEY: "quota",
      DATABASE_SECRET_KEY: "quota",
      SUPER_USERS: [USER.username],
      FEATURE_USER_INITIALIZE: true,
      FEATURE_QUOTA_MANAGEMENT: true,
      QUOTA_TOTAL_DELAY_SECONDS: 0,
      QUOTA_BACKFILL_POLL_PERIOD: 1,
      QUOTA_REGISTRY_SIZE_POLL_PERIOD: 1,
    },
  });
  const token = await Client.initialize(appliance);
  // deno-lint-ignore no-explicit-any
  const api = async (status: number, method: string, path: string, body?: unknown): Promise<any> => {
    const response = await fetch(`${appliance.httpUrl}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    assert.equal(response.status, status, `${method} ${path}: ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };
  const heldBytes = async () => (await api(200, "GET", "/organization/acme")).quota_report.quota_bytes;

  await api(201, "POST", "/organization/", { name: "acme", email: "acme@example.org" });
  await api(201, "POST", "/organization/acme/quota", { limit: "1 MiB" });
  const [{ id }] = await api(200, "GET", "/organization/acme/quota");
  await api(201, "POST", `/organization/acme/quota/${id}/limit`, { type: "Warning", threshold_percent: 50 });
  await api(201, "POST", `/organization/acme/quota/${id}/limit`, { type: "Reject", threshold_percent: 100 });

  const client = await new Client(appliance.httpUrl, "acme/app").logIn();
  const push = new Pusher(appliance.httpUrl, "acme/app", `Bearer ${client.token}`);
  await push.image([randomBytes(700_000, 1)], { reference: "v1" });
  const held = await heldBytes();
  assert.ok(held >= 700_000 && held < 701_000, `${held}`);
  const { repositories } = await api(200, "GET", "/repository?namespace=acme");
  assert.deepEqual(
    // deno-lint-ignore no-explicit-any
    repositories.map((repository: any) => [repository.name, repository.quota_report.quota_bytes]),
    [["app", held]],
  );

  await assert.rejects(
    push.image([randomBytes(600_000, 2)], { reference: "v2" }),
    /403.*Quota has been exceeded/,
  );
  assert.equal(await heldBytes(), held);
  const { tags } = await api(200, "GET", "/repository/acme/app/tag/?onlyActiveTags=true");
  assert.deepEqual(tags.map(({ name }: { name: string }) => name), ["v1"]);
  const { notifications } = await api(200, "GET", "/user/notifications?limit=20");
  assert.deepEqual(
    notifications.map(({ kind, organization }: Record<string, string>) => [kind, organization]).sort(),
    [["quota_error", "acme"], ["quota_warning", "acme"]],
  );

  await api(200, "PUT", `/organization/acme/quota/${id}`, { limit: "2 MiB" });
  await push.image([randomBytes(600_000, 2)], { reference: "v2" });

  await api(201, "POST", "/superuser/registrysize/");
  for (let attempt = 0;; attempt++) {
    const size = await api(200, "GET", "/superuser/registrysize/");
    if (size.size_bytes > 0) break;
    assert.ok(attempt < 60, JSON.stringify(size));
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
});

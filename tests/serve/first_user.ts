import assert from "node:assert/strict";
import type { Appliance } from "../appliance.ts";

/**
 * Makes the first user, named as the namespace of `repository`, and asks for a token to push to that.
 * @returns the headers that carry it
 */
export async function firstUser(appliance: Appliance, repository: string): Promise<Record<string, string>> {
  const user = { username: repository.split("/")[0] as string, password: "first-user-password" };
  const initialized = await fetch(`${appliance.httpUrl}/api/v1/user/initialize`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(user),
  });
  assert.equal(initialized.status, 200, await initialized.text());
  const query = new URLSearchParams({
    service: "localhost:8080",
    scope: `repository:${repository}:pull,push`,
  });
  const answer = await fetch(`${appliance.httpUrl}/v2/auth?${query}`, {
    headers: { Authorization: `Basic ${btoa(`${user.username}:${user.password}`)}` },
  });
  assert.equal(answer.status, 200);
  return { Authorization: `Bearer ${(await answer.json()).token}` };
}

import assert from "node:assert/strict";
import { expect } from "@std/testing";
import { startAppliance } from "../appliance.ts";

const read = async (url: string, init?: RequestInit) => {
  const response = await fetch(url, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
};

Deno.test("a running appliance is healthy, counts what it does, and tells no secret", async () => {
  await using appliance = await startAppliance({ args: ["--log-level", "debug"] });
  const { httpUrl, metricsUrl } = appliance;

  const instance = await read(`${httpUrl}/health/instance`);
  assert.equal(instance.status, 200, instance.text);
  expect(JSON.parse(instance.text)).toEqual({
    data: {
      services: {
        registry_gunicorn: true,
        web_gunicorn: true,
        service_key: true,
        disk_space: true,
        database: true,
        auth: true,
      },
    },
    status_code: 200,
  });
  const endToEnd = await read(`${httpUrl}/health/endtoend`);
  expect(JSON.parse(endToEnd.text)).toEqual({
    data: { services: { database: true, redis: true, storage: true, auth: true } },
    status_code: 200,
  });
  expect(Object.keys(JSON.parse((await read(`${httpUrl}/health/warning`)).text).data.services))
    .toEqual(["disk_space_warning"]);
  expect((await read(`${httpUrl}/v2/`)).status).toBe(401);
  expect((await read(`${httpUrl}/v1/_ping`)).text).toBe("true");

  const password = "a-password-that-must-not-be-logged";
  const created = await read(`${httpUrl}/api/v1/user/initialize`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username: "crew", password, email: "crew@registry.example", access_token: true }),
  });
  assert.equal(created.status, 200, created.text);
  const login = (secret: string) => {
    const headers = {
      Authorization: `Basic ${btoa(`crew:${secret}`)}`,
      "X-Request-Id": "health-test-request",
    };
    return read(`${httpUrl}/v2/auth?service=${new URL(httpUrl).host}&account=crew`, { headers });
  };
  const granted = await login(password);
  assert.equal(granted.status, 200, granted.text);
  expect((await login("wrong-password-also-secret")).status).toBe(401);

  const metrics = await read(`${metricsUrl}/metrics`);
  expect(metrics.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(metrics.text).toMatch(/^quay_request_duration_seconds_count\{.*status="200"\} [1-9]/m);
  expect(metrics.text).toMatch(/^quay_authentication_attempts_total\{.*success="False"\} 1$/m);
  expect(metrics.text).toMatch(/^process_resident_memory_bytes [1-9]/m);
  for (const name of ["repository", "user", "org", "robot"]) {
    expect(metrics.text).toMatch(new RegExp(`^quay_${name}_rows \\d+$`, "m"));
  }

  const record = await appliance.waitForLog((entry) => entry.requestId === "health-test-request");
  expect(record).toMatchObject({ msg: "request", method: "GET", path: "/v2/auth" });
  const log = JSON.stringify(appliance.log);
  const { access_token: apiToken } = JSON.parse(created.text);
  const { token } = JSON.parse(granted.text);
  assert.ok(apiToken && token);
  for (const secret of [password, "wrong-password-also-secret", btoa(`crew:${password}`), apiToken, token]) {
    assert.ok(!log.includes(secret), `the log holds ${secret}`);
  }
});

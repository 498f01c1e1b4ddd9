import assert from "node:assert/strict";
import { decodeProtectedHeader } from "jose";
import { startAppliance } from "../appliance.ts";
import { Client, manifestOf, textOf, USER } from "./client.ts";
import { digestOf } from "../../src/oci/digest.ts";

const modeOf = async (path: string) => ((await Deno.stat(path)).mode ?? 0) & 0o777;

Deno.test("nothing secret is logged, even at debug, and nobody else may read the keys", async () => {
  await using appliance = await startAppliance({ args: ["--log-level", "debug"] });
  const { httpUrl, dataDir } = appliance;
  const secrets = new Map<string, string>([["the password", USER.password]]);
  const apiToken = await Client.initialize(appliance);
  secrets.set("the API token", apiToken);

  using client = await new Client(httpUrl, "faults/secret").logIn();
  secrets.set("the registry token", client.token);
  secrets.set("the registry token's signature", client.token.split(".")[2] as string);
  const basic = (user: string, password: string) => btoa(`${user}:${password}`);
  secrets.set("the Basic credentials", basic(USER.username, USER.password));

  const wrongPassword = "a-wrong-password-typed-by-mistake";
  secrets.set("a wrong password", wrongPassword);
  secrets.set("wrong Basic credentials", basic(USER.username, wrongPassword));
  const wrong = await client.request("GET", "/v2/auth?service=x", {
    headers: { Authorization: `Basic ${basic(USER.username, wrongPassword)}` },
  });
  assert.equal(wrong.status, 401);

  const bearer = { "Authorization": `Bearer ${apiToken}`, "Content-Type": "application/json" };
  const robot = await client.request("PUT", "/api/v1/user/robots/builder", { headers: bearer, body: "{}" });
  assert.ok([200, 201].includes(robot.status), textOf(robot));
  const robotToken = JSON.parse(textOf(robot)).token as string;
  secrets.set("the robot's token", robotToken);
  const asRobot = await client.request("GET", "/v2/auth?service=localhost:8080", {
    headers: { Authorization: `Basic ${basic(`${USER.username}+builder`, robotToken)}` },
  });
  assert.equal(asRobot.status, 200, textOf(asRobot));
  secrets.set("the robot's registry token", JSON.parse(textOf(asRobot)).token);

  // A session: CSRF token, right and wrong sign-in, cookies.
  const csrf = await client.request("GET", "/csrf_token", { headers: { Authorization: "" } });
  const csrfToken = JSON.parse(textOf(csrf)).csrf_token as string;
  secrets.set("the CSRF token", csrfToken);
  const cookies = (answer: { headers: Headers }) =>
    answer.headers.getSetCookie().map((c) => c.split(";", 1)[0]);
  const signIn = (password: string) =>
    client.request("POST", "/api/v1/signin", {
      headers: {
        "Authorization": "",
        "Content-Type": "application/json",
        "X-CSRF-Token": csrfToken,
        "Cookie": cookies(csrf).join("; "),
      },
      body: JSON.stringify({ username: USER.username, password }),
    });
  const signedIn = await signIn(USER.password);
  assert.equal(signedIn.status, 200, textOf(signedIn));
  assert.equal((await signIn(wrongPassword)).status, 403);
  for (const answer of [csrf, signedIn]) {
    for (const cookie of cookies(answer)) {
      secrets.set("a cookie", cookie?.split("=").slice(1).join("=") ?? "");
    }
  }

  // A token in a query and in a path, where it does not belong.
  await client.request("GET", `/api/v1/user/?access_token=${apiToken}`, { headers: { Authorization: "" } });
  // Pushes and refusals.
  const bytes = new TextEncoder().encode("a layer");
  assert.equal((await client.pushWhole(bytes)).status, 201);
  assert.equal(
    (await client.putManifest("t", manifestOf([{ digest: digestOf(bytes), size: bytes.length }]))).status,
    201,
  );
  await client.request("GET", "/v2/", { headers: { Authorization: `Bearer ${client.token}x` } });
  await client.request("POST", "/api/v1/user/initialize", {
    headers: { "Content-Type": "application/json" },
    body: `{"username":"x","password":"${wrongPassword}"`,
  });

  const kept: Record<string, unknown> = JSON.parse(await Deno.readTextFile(`${dataDir}/secrets.json`));
  for (const [name, value] of Object.entries(kept)) secrets.set(`secrets.json ${name}`, String(value));
  const pem = await Deno.readTextFile(`${dataDir}/keys/quay.pem`);
  for (const line of pem.split("\n").filter((l) => l.length > 40)) {
    secrets.set(`quay.pem ${line.slice(0, 8)}`, line);
  }
  assert.ok(decodeProtectedHeader(client.token).kid);

  // What the database holds counts too: a wrong statement is logged with its values by PostgreSQL.
  const logged = [...appliance.log.map((record) => JSON.stringify(record)), ...appliance.otherOutput].join(
    "\n",
  );
  assert.ok(appliance.log.some(({ level }) => level === "debug"), "debug is on");
  for (const [what, secret] of secrets) {
    assert.ok(secret.length >= 8, `${what} is no secret: "${secret}"`);
    assert.ok(!logged.includes(secret), `${what} is in the log`);
    assert.ok(!logged.includes(encodeURIComponent(secret)), `${what} is in the log, encoded`);
  }

  assert.equal(await modeOf(`${dataDir}/secrets.json`), 0o600);
  assert.equal(await modeOf(`${dataDir}/keys`), 0o700);
  for (const { name } of Deno.readDirSync(`${dataDir}/keys`)) {
    assert.equal(await modeOf(`${dataDir}/keys/${name}`), 0o600, name);
  }
  assert.equal(await modeOf(`${dataDir}/postgres`), 0o700);
  for (const folder of ["storage", "storage/sha256", "storage/uploads"]) {
    assert.equal(await modeOf(`${dataDir}/${folder}`) & 0o007, 0, `${folder} is open to everybody`);
  }
});

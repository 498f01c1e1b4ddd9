import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect as connectTls } from "node:tls";
import { Agent, request as requestWith } from "undici";
import { startAppliance } from "../appliance.ts";
import { test } from "../skip.ts";
import { makeCertificate } from "./certificate.ts";
import { firstUser } from "./first_user.ts";

/** Status of GET `path`, or how the connection failed. */
async function reach(url: string): Promise<number | "refused"> {
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.status;
  } catch {
    return "refused";
  }
}

const portOf = (url: string) => Number(new URL(url).port);

const REACHABLE: { version: string; ipv4: number | "refused"; ipv6: number | "refused" }[] = [
  { version: "IPv4", ipv4: 200, ipv6: "refused" },
  { version: "IPv6", ipv4: "refused", ipv6: 200 },
  { version: "dual-stack", ipv4: 200, ipv6: 200 },
];
for (const { version, ipv4, ipv6 } of REACHABLE) {
  test({
    name: `FEATURE_LISTEN_IP_VERSION ${version}: IPv4 ${ipv4}, IPv6 ${ipv6}`,
    needs: ["ipv6"],
    async fn() {
      const config = { SERVER_HOSTNAME: "registry.test", FEATURE_LISTEN_IP_VERSION: version };
      await using appliance = await startAppliance({ config, http: ":0", metrics: ":0" });
      for (
        const [url, path] of [[appliance.httpUrl, "/_internal_ping"], [
          appliance.metricsUrl,
          "/metrics",
        ]] as const
      ) {
        const port = portOf(url);
        assert.equal(await reach(`http://127.0.0.1:${port}${path}`), ipv4, `IPv4 at ${url}`);
        assert.equal(await reach(`http://[::1]:${port}${path}`), ipv6, `IPv6 at ${url}`);
      }
    },
  });
}

Deno.test("serve: an address that is in use stops the start, in words", async () => {
  await using first = await startAppliance();
  const taken = new URL(first.httpUrl).host;
  await assert.rejects(
    startAppliance({ http: taken }),
    new RegExp(`${taken.replaceAll(".", "\\.")} is in use`),
  );
});

Deno.test("serve: a wrong address is wrong usage", async () => {
  await assert.rejects(startAppliance({ http: "nonsense" }), /is no address/);
});

/** Subject and status of one TLS request, certificates unchecked. */
async function subjectServed(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return await new Promise((resolve, reject) => {
    const socket = connectTls({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN as string);
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

Deno.test("TLS: a new pair is picked up without a restart; a bad one is refused and the old goes on serving", async () => {
  const first = await makeCertificate("first.test");
  const second = await makeCertificate("second.test");
  const config = { SERVER_HOSTNAME: "first.test" };
  await using appliance = await startAppliance({
    config,
    configFiles: { "ssl.cert": first.cert, "ssl.key": first.key },
  });
  const url = appliance.httpsUrl as string;
  assert.equal(await subjectServed(url), "first.test");

  // The certificate alone: it does not belong to the key that is still there.
  await Deno.writeTextFile(`${appliance.configDir}/ssl.cert`, second.cert);
  const refusal = await appliance.waitForLog((record) => record.level === "error", 15_000);
  assert.match(String(refusal.reason), /ssl\.key is not the key of the certificate/);
  assert.equal(await subjectServed(url), "first.test");

  await Deno.writeTextFile(`${appliance.configDir}/ssl.key`, second.key);
  await appliance.waitForLog((record) => record.msg === "a new certificate is served", 15_000);
  assert.equal(await subjectServed(url), "second.test");
  const { statusCode, body } = await requestWith(`${url}/_internal_ping`, {
    dispatcher: new Agent({ allowH2: false, connect: { rejectUnauthorized: false } }),
  });
  await body.dump();
  assert.equal(statusCode, 200);
});

Deno.test("SIGTERM: finishes the running upload, refuses new requests, ends with status 0", async () => {
  const appliance = await startAppliance();
  const headers = await firstUser(appliance, "stopper/a");
  const session = await fetch(`${appliance.httpUrl}/v2/stopper/a/blobs/uploads/`, {
    method: "POST",
    headers,
  });
  assert.equal(session.status, 202, await session.text());

  const upload = request(new URL(session.headers.get("location") as string, appliance.httpUrl), {
    method: "PATCH",
    headers: { ...headers, "content-type": "application/octet-stream", expect: "100-continue" },
  });
  upload.flushHeaders();
  // The server says "continue" when the upload's handler reads the body: only then does it run for certain.
  await once(upload, "continue");
  upload.write(new Uint8Array(1000));
  const stopped = appliance.stop();
  await appliance.waitForLog((record) => record.msg === "stopping");
  // Refusing follows the log line within moments.
  for (let tries = 0; tries < 100 && await reach(`${appliance.httpUrl}/_internal_ping`) === 200; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(await reach(`${appliance.httpUrl}/_internal_ping`), 503);
  upload.end(new Uint8Array(1000));
  const [answer] = await once(upload, "response") as [IncomingMessage];
  answer.resume();
  assert.equal(answer.statusCode, 202);
  assert.equal(answer.headers.range, "0-1999");
  assert.equal(await stopped, 0);
});

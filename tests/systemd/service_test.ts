/** The installed service under a really booted systemd. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "../skip.ts";
import { bootBox, type Box } from "./box.ts";

const URL_IN_BOX = "http://[::1]:8080";
const BLOB_BYTES = 4_000_000;

async function property(box: Box, name: string): Promise<string> {
  return (await box.run("systemctl", "show", "--value", "-p", name, "quaylet")).trim();
}

/** Resolves once `condition` holds. */
async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 240; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  assert.fail(`${what}: not within two minutes`);
}

async function isHealthy(box: Box): Promise<boolean> {
  const answer = await box.run("curl", "-sS", "-g", `${URL_IN_BOX}/health/instance`).catch(() => "");
  return answer !== "" && JSON.parse(answer).status_code === 200;
}

/** A bearer token that may push to `crew/app`, by way of the first user. */
async function pushToken(box: Box): Promise<string> {
  const user = { username: "crew", password: "a-long-password", email: "crew@example.com" };
  const json = ["-H", "Content-Type: application/json", "-d", JSON.stringify(user)];
  await box.run("curl", "-sSgf", ...json, `${URL_IN_BOX}/api/v1/user/initialize`);
  const query = "service=localhost:8080&scope=repository:crew/app:pull,push";
  const answer = await box.run(
    "curl",
    ...["-sSgf", "-u", "crew:a-long-password", `${URL_IN_BOX}/v2/auth?${query}`],
  );
  return JSON.parse(answer).token;
}

test({
  name: "quaylet.service: notify, watchdog, restart, a stop that waits for a push, journal",
  needs: ["root", "binary", "debootstrap", "systemd-nspawn"],
  async fn(t) {
    await using box = await bootBox();

    await t.step("scripts/install, then systemctl start returns when requests are answered", async () => {
      const binary = Deno.env.get("QUAYLET_BIN")!;
      const install = new URL("../../scripts/install", import.meta.url).pathname;
      await box.run(install, "--binary", binary);
      await box.run("systemctl", "start", "quaylet").catch(async (error) => {
        assert.fail(`${error}\n${await box.run("journalctl", "-u", "quaylet", "--no-pager", "-n", "40")}`);
      });
      assert.ok(await isHealthy(box));
      assert.equal(await property(box, "ActiveState"), "active");
      assert.match(await property(box, "StatusText"), /serving/);
    });

    await t.step("it runs as its own user, the database too", async () => {
      const users = await box.run("ps", "-o", "user=", "-C", "quaylet,postgres");
      assert.deepEqual([...new Set(users.trim().split(/\s+/))], ["quaylet"]);
    });

    await t.step("a hung process is killed by the watchdog and replaced", async () => {
      const pid = await property(box, "MainPID");
      await box.run("kill", "-STOP", pid);
      await until("restart", async () => (await property(box, "MainPID")) !== pid && await isHealthy(box));
      assert.equal(await property(box, "NRestarts"), "1");
    });

    await t.step("a stop lets a running push finish", async () => {
      const bytes = new Uint8Array(BLOB_BYTES).fill(7);
      const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
      await Deno.writeFile(`${box.root}/root/blob`, bytes);
      const bearer = ["-H", `Authorization: Bearer ${await pushToken(box)}`];
      const upload = `${URL_IN_BOX}/v2/crew/app/blobs/uploads/`;
      const head = await box.run(
        "curl",
        "-sSgf",
        "-D",
        "-",
        "-o",
        "/dev/null",
        "-X",
        "POST",
        ...bearer,
        upload,
      );
      const location = /^location: *(\S+)/im.exec(head)?.[1] ?? assert.fail(head);
      const put = new URL(location, URL_IN_BOX);
      put.searchParams.set("digest", digest);
      // About four seconds on its way.
      const pushed = box.run(
        "curl",
        ...["-sSg", "-w", "%{http_code}", "--limit-rate", "1M", ...bearer],
        ...["-H", "Content-Type: application/octet-stream", "-T", "/root/blob"],
        put.href,
      );
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await box.run("systemctl", "stop", "quaylet");
      assert.equal(await pushed, "201");
      assert.equal(await property(box, "Result"), "success");
      await box.run("systemctl", "start", "quaylet");
      const blob = `${URL_IN_BOX}/v2/crew/app/blobs/${digest}`;
      const size = await box.run(
        "curl",
        "-sSgf",
        "-o",
        "/dev/null",
        "-w",
        "%{size_download}",
        ...bearer,
        blob,
      );
      assert.equal(Number(size), BLOB_BYTES);
    });

    await t.step("the journal has it all, one JSON object a line", async () => {
      const journal = await box.run("journalctl", "-u", "quaylet", "-o", "cat", "--no-pager");
      const messages = journal.split("\n").filter((line) => line.startsWith("{")).map((line) =>
        JSON.parse(line).msg
      );
      assert.ok(messages.filter((message) => message === "ready").length >= 3, journal);
      assert.ok(messages.includes("stopped"), journal);
    });
  },
});

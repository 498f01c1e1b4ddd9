import assert from "node:assert/strict";
import { runCheck } from "../../src/cli/check.ts";
import type { Finding } from "../../src/cli/finding.ts";
import { runInit } from "../../src/cli/init.ts";

interface Place {
  config: string;
  data: string;
}

async function inFolder(body: (place: Place) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    await body({ config: `${root}/config`, data: `${root}/data` });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const silent = { stdout: () => {}, stderr: () => {}, env: {} };

function init({ config, data }: Place, ...args: string[]): Promise<number> {
  return runInit(["--config", config, "--data", data, "--hostname", "edge.example", ...args], silent);
}

async function check({ config, data }: Place): Promise<{ code: number; ok: boolean; findings: Finding[] }> {
  let out = "";
  const io = { ...silent, stdout: (text: string) => void (out += text) };
  const code = await runCheck(["--config", config, "--data", data, "--json"], io);
  return { code, ...JSON.parse(out) };
}

const problemsOf = (findings: Finding[]) => findings.filter(({ level }) => level === "problem");

async function edit({ config }: Place, change: (text: string) => string): Promise<void> {
  const path = `${config}/config.yaml`;
  await Deno.writeTextFile(path, change(await Deno.readTextFile(path)));
}

Deno.test("quaylet check: what init wrote is in order, and checking changes nothing", () =>
  inFolder(async (place) => {
    await init(place, "--with-ca");
    const { code, ok, findings } = await check(place);
    assert.deepEqual(problemsOf(findings), []);
    assert.deepEqual([code, ok], [0, true]);
    const subjects = new Set(findings.map(({ subject }) => subject));
    assert.deepEqual([...subjects].sort(), [
      "certificates",
      "config",
      "database",
      "disk",
      "hostname",
      "storage",
    ]);
    await assert.rejects(Deno.stat(place.data), Deno.errors.NotFound);
  }));

Deno.test("quaylet check: for people, ends with a verdict", () =>
  inFolder(async (place) => {
    await init(place);
    await edit(place, (text) => text.replace("PREFERRED_URL_SCHEME: http", "PREFERRED_URL_SCHEME: ftp"));
    let out = "";
    const io = { ...silent, stdout: (text: string) => void (out += text) };
    assert.equal(await runCheck(["--config", place.config, "--data", place.data], io), 1);
    assert.match(out, /^PROBLEM PREFERRED_URL_SCHEME: must be one of http, https\.\n {8}-> /m);
    assert.match(out, /\n1 problem to mend\.\n$/);
  }));

Deno.test("quaylet check: a certificate that does not cover SERVER_HOSTNAME", () =>
  inFolder(async (place) => {
    await init(place, "--with-ca");
    await edit(place, (text) => text.replace("edge.example:8443", "other.example:8443"));
    const { code, findings } = await check(place);
    assert.equal(code, 1);
    assert.match(problemsOf(findings)[0]?.message ?? "", /does not cover other\.example/);
  }));

Deno.test("quaylet check: a key of another pair, and no key at all", () =>
  inFolder(async (place) => {
    await init(place, "--with-ca");
    await Deno.copyFile(`${place.config}/ca.key`, `${place.config}/ssl.key`);
    assert.match(
      problemsOf((await check(place)).findings)[0]?.message ?? "",
      /not the key of the certificate/,
    );
    await Deno.writeTextFile(`${place.config}/ssl.key`, "nonsense");
    assert.match(
      problemsOf((await check(place)).findings)[0]?.message ?? "",
      /cannot be read as a private key/,
    );
    await Deno.writeTextFile(`${place.config}/ssl.cert`, "nonsense");
    assert.match(problemsOf((await check(place)).findings)[0]?.message ?? "", /holds no PEM certificate/);
    await Deno.remove(`${place.config}/ssl.key`);
    assert.deepEqual(problemsOf((await check(place)).findings).map(({ key }) => key), ["ssl.key"]);
  }));

Deno.test("quaylet check: storage that cannot be", () =>
  inFolder(async (place) => {
    await init(place);
    await Deno.writeTextFile(`${place.config}/file`, "");
    await edit(place, (text) => text.replace(/storage_path: .*/, `storage_path: ${place.config}/file/below`));
    const { code, findings } = await check(place);
    assert.equal(code, 1);
    assert.deepEqual(problemsOf(findings).map(({ subject, key }) => [subject, key]), [
      ["storage", "DISTRIBUTED_STORAGE_CONFIG.default"],
    ]);
  }));

Deno.test("quaylet check: storage in use is written to, read and left as it was", () =>
  inFolder(async (place) => {
    await init(place);
    await Deno.mkdir(`${place.data}/storage`, { recursive: true });
    const { findings } = await check(place);
    assert.ok(findings.some(({ subject, level }) => subject === "storage" && level === "ok"));
    const files: string[] = [];
    for await (const entry of Deno.readDir(`${place.data}/storage`)) if (entry.isFile) files.push(entry.name);
    assert.deepEqual(files, []);
  }));

Deno.test("quaylet check: an IPv6 literal as the host name", () =>
  inFolder(async (place) => {
    await init(place, "--force");
    await edit(place, (text) => text.replace("edge.example:8080", "[fd00::7]:8080"));
    const { code, findings } = await check(place);
    assert.equal(code, 0);
    const found = findings.filter(({ subject }) => subject === "hostname");
    assert.equal(found[0]?.level, "warning");
    assert.match(found[0]?.mend ?? "", /fd00::7 \S+\n/);
  }));

Deno.test("quaylet check: a database that does not answer", () =>
  inFolder(async (place) => {
    await init(place);
    // A port that was free a moment ago.
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    await edit(place, (text) => `${text}\nDB_URI: postgresql://quay:verysecret@127.0.0.1:${port}/quay\n`);
    const { code, findings } = await check(place);
    assert.equal(code, 1);
    const [problem] = problemsOf(findings);
    assert.equal(problem?.subject, "database");
    assert.match(problem?.message ?? "", new RegExp(`127\\.0\\.0\\.1:${port}`));
    assert.ok(!JSON.stringify(findings).includes("verysecret"));
  }));

Deno.test("quaylet check: all problems of a broken config.yaml, without asking a database that it does not name", () =>
  inFolder(async (place) => {
    await Deno.mkdir(place.config);
    await Deno.writeTextFile(`${place.config}/config.yaml`, "SERVER_HOSTNAME: [\n");
    const { code, findings } = await check(place);
    assert.equal(code, 1);
    assert.deepEqual(problemsOf(findings).map(({ key }) => key), ["config.yaml"]);
    assert.ok(!findings.some(({ subject }) => subject === "database" || subject === "storage"));
  }));

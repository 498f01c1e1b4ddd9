import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { runInit } from "../../src/cli/init.ts";
import { loadConfig } from "../../src/config/load.ts";

interface Ran {
  code: number;
  out: string;
  err: string;
}

async function init(...args: string[]): Promise<Ran> {
  const ran = { code: -1, out: "", err: "" };
  ran.code = await runInit(args, {
    stdout: (text) => void (ran.out += text),
    stderr: (text) => void (ran.err += text),
    env: {},
  });
  return ran;
}

async function inFolder(body: (config: string, data: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    await body(`${root}/config`, `${root}/data`);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const modeOf = async (path: string) => ((await Deno.stat(path)).mode ?? 0) & 0o007;

Deno.test("quaylet init: what it writes loads without a problem or a notice of a mistake", () =>
  inFolder(async (config, data) => {
    const ran = await init("--config", config, "--data", data, "--hostname", "edge.example");
    assert.equal(ran.code, 0);
    const loaded = await loadConfig({ configDir: config, dataDir: data, env: {} });
    assert.deepEqual(loaded.problems, []);
    assert.deepEqual(loaded.notices.filter(({ kind }) => kind !== "not_acted_on"), []);
    assert.equal(loaded.config.SERVER_HOSTNAME, "edge.example:8080");
    assert.equal(loaded.config.FEATURE_LISTEN_IP_VERSION, "dual-stack");
    assert.equal(await modeOf(`${config}/config.yaml`), 0, "secrets are nobody else's");
    assert.match(ran.out, /podman login --tls-verify=false edge\.example:8080/);
    await assert.rejects(Deno.stat(`${data}/secrets.json`), Deno.errors.NotFound);
  }));

Deno.test("quaylet init --with-ca: a chain that covers names, IPv4 and IPv6", () =>
  inFolder(async (config, data) => {
    const ran = await init(
      ...["--config", config, "--data", data, "--hostname", "edge.example:443", "--with-ca"],
      ...["--san", "10.1.2.3", "--san", "fd00::7", "--san", "alias.example", "--json"],
    );
    assert.equal(ran.code, 0, ran.err);
    const report = JSON.parse(ran.out);
    assert.equal(report.serverHostname, "edge.example");
    assert.ok(report.nextSteps.join("\n").includes("/etc/containers/certs.d/edge.example/ca.crt"));
    const ca = new X509Certificate(await Deno.readTextFile(`${config}/ca.crt`));
    const leaf = new X509Certificate(await Deno.readTextFile(`${config}/ssl.cert`));
    assert.ok(ca.ca && !leaf.ca);
    assert.ok(leaf.verify(ca.publicKey) && ca.verify(ca.publicKey));
    for (const name of ["edge.example", "alias.example", "localhost"]) {
      assert.equal(leaf.checkHost(name), name);
    }
    for (const address of ["10.1.2.3", "fd00::7", "127.0.0.1", "::1"]) {
      assert.ok(leaf.checkIP(address), address);
    }
    assert.equal(leaf.checkHost("other.example"), undefined);
    const days = (certificate: X509Certificate) =>
      (Date.parse(certificate.validTo) - Date.now()) / 86_400_000;
    assert.ok(days(leaf) > 823 && days(leaf) <= 825);
    assert.ok(days(ca) > 3_650);
    assert.equal(await modeOf(`${config}/ssl.key`), 0);
    assert.equal(await modeOf(`${config}/ca.key`), 0);
    const { problems } = await loadConfig({ configDir: config, dataDir: data, env: {} });
    assert.deepEqual(problems, []);
  }));

Deno.test("quaylet init --with-ca: a TLS client that trusts ca.crt connects by name and by address", () =>
  inFolder(async (config, data) => {
    await init("--config", config, "--data", data, "--hostname", "localhost", "--with-ca");
    const read = (name: string) => Deno.readTextFile(`${config}/${name}`);
    const listener = Deno.listenTls({
      port: 0,
      hostname: "127.0.0.1",
      cert: await read("ssl.cert"),
      key: await read("ssl.key"),
    });
    const served = (async () => {
      for await (const connection of listener) {
        await connection.handshake();
        connection.close();
      }
    })();
    try {
      const { port } = listener.addr as Deno.NetAddr;
      for (const hostname of ["localhost", "127.0.0.1"]) {
        const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
        const tls = await Deno.startTls(tcp, { hostname, caCerts: [await read("ca.crt")] });
        await tls.handshake();
        tls.close();
      }
    } finally {
      listener.close();
      await served;
    }
  }));

Deno.test("quaylet init: never replaces files without --force, and keeps secrets and the CA with it", () =>
  inFolder(async (config, data) => {
    const flags = ["--config", config, "--data", data, "--hostname", "a.example", "--with-ca"];
    await init(...flags);
    const read = (name: string) => Deno.readTextFile(`${config}/${name}`);
    const before = await Promise.all(["config.yaml", "ca.crt", "ca.key", "ssl.cert", "ssl.key"].map(read));
    const again = await init(...flags);
    assert.equal(again.code, 1);
    assert.match(again.err, /config\.yaml, ssl\.cert, ssl\.key is there already/);
    assert.deepEqual(
      await Promise.all(["config.yaml", "ca.crt", "ca.key", "ssl.cert", "ssl.key"].map(read)),
      before,
    );

    const forced = await init(...flags, "--force");
    assert.equal(forced.code, 0, forced.err);
    const after = await Promise.all(["config.yaml", "ca.crt", "ca.key", "ssl.cert", "ssl.key"].map(read));
    assert.deepEqual(after.slice(0, 3), before.slice(0, 3));
    assert.notEqual(after[3], before[3]);
    assert.notEqual(after[4], before[4]);
    const names = Array.from(Deno.readDirSync(config), ({ name }) => name).sort();
    assert.deepEqual(
      names,
      ["ca.crt", "ca.key", "config.yaml", "ssl.cert", "ssl.key"],
      "no drafts left behind",
    );
  }));

Deno.test("quaylet init: takes over the secrets of an appliance that ran without config.yaml", () =>
  inFolder(async (config, data) => {
    const { config: ran } = await loadConfig({ dataDir: data, env: {} });
    await init("--config", config, "--data", data, "--hostname", "a.example");
    const loaded = await loadConfig({ configDir: config, dataDir: data, env: {} });
    assert.equal(loaded.config.DATABASE_SECRET_KEY, ran.DATABASE_SECRET_KEY);
    assert.equal(loaded.config.SECRET_KEY, ran.SECRET_KEY);
  }));

Deno.test("quaylet init: warns that podman refuses an IPv6 literal and prints what to add", () =>
  inFolder(async (config, data) => {
    const ran = await init("--config", config, "--data", data, "--hostname", "fd00::7");
    assert.equal(ran.code, 0);
    assert.match(ran.err, /podman, skopeo and buildah refuse an IPv6 literal/);
    assert.match(ran.err, /^ +fd00::7 \S+$/m);
    assert.match(ran.err, /IN AAAA fd00::7/);
    const { config: loaded } = await loadConfig({ configDir: config, dataDir: data, env: {} });
    assert.equal(loaded.SERVER_HOSTNAME, "[fd00::7]:8080");
  }));

for (
  const args of [["--hostname", "http://x"], ["--hostname", "a b"], ["--san", "*.x"], ["--nonsense"], [
    "word",
  ]]
) {
  Deno.test(`quaylet init ${args.join(" ")}: wrong usage`, () =>
    inFolder(async (config, data) => {
      await assert.rejects(
        init("--config", config, "--data", data, ...args),
        (error: Error & { code?: string }) =>
          error instanceof RangeError || /PARSE_ARGS/.test(error.code ?? ""),
      );
      await assert.rejects(Deno.stat(config), Deno.errors.NotFound);
    }));
}

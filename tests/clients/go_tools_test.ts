/** crane, regctl, oras and helm: the clients of build pipelines and clusters, over TLS, and at an IPv6 literal. */
import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "../appliance.ts";
import { test } from "../skip.ts";
import { type GoTools, goTools, RECENT_GO } from "./go_tools.ts";
import { makeOwnCa } from "./own_ca.ts";

const ADMIN = { username: "admin", password: "a-long-password" };

interface Site {
  readonly appliance: Appliance;
  /** `host:port` as the tools write it. */
  readonly registry: string;
  /** Of the API, which is `$oauthtoken`'s password at the registry. */
  readonly accessToken: string;
  readonly robot: { readonly name: string; readonly token: string };
}

/** First user, organization `acme`, a robot that may write `acme/app`, as an operator makes them with curl. */
async function prepare(appliance: Appliance, registry: string): Promise<Site> {
  const call = async (method: string, path: string, body: unknown, token?: string) => {
    const response = await fetch(`${appliance.httpUrl}/api/v1/${path}`, {
      method,
      headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  };
  const { access_token: accessToken } = await call("POST", "user/initialize", {
    ...ADMIN,
    access_token: true,
  });
  await call("POST", "organization/", { name: "acme" }, accessToken);
  const repository = { namespace: "acme", repository: "app", visibility: "private", description: "" };
  await call("POST", "repository", repository, accessToken);
  const { name, token } = await call("PUT", "organization/acme/robots/ci", {}, accessToken);
  await call("PUT", `repository/acme/app/permissions/user/${name}`, { role: "write" }, accessToken);
  return { appliance, registry, accessToken, robot: { name, token } };
}

/** A port that was free a moment ago: SERVER_HOSTNAME must name it beforehand. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Content for layers and artifacts in the tools' folder: `layer.tar` and `note.txt`. */
async function makeContent({ dir }: GoTools): Promise<void> {
  await Deno.writeTextFile(`${dir}/note.txt`, "a note\n");
  await Deno.writeFile(`${dir}/random.bin`, crypto.getRandomValues(new Uint8Array(60_000)));
  const tar = await new Deno.Command("tar", { args: ["cf", "layer.tar", "note.txt", "random.bin"], cwd: dir })
    .output();
  assert.ok(tar.success);
}

const lines = (text: string) => text.trim().split("\n");

async function craneJourney(tools: GoTools, { registry, robot }: Site): Promise<void> {
  const crane = (...args: string[]) => tools.run("crane", ...args);
  const app = `${registry}/acme/app`;
  await crane("auth", "login", registry, "-u", robot.name, "-p", robot.token);
  for (const platform of ["amd64", "arm64"]) {
    await crane("append", "--oci-empty-base", "-f", "layer.tar", "-t", `${app}:${platform}`);
    await crane(
      "mutate",
      `${app}:${platform}`,
      "--set-platform",
      `linux/${platform}`,
      "-t",
      `${app}:${platform}`,
    );
  }
  await crane("index", "append", "-m", `${app}:amd64`, "-m", `${app}:arm64`, "-t", `${app}:multi`);
  assert.deepEqual(lines(await crane("ls", app)), ["amd64", "arm64", "multi"]);
  assert.match(await crane("config", "--platform", "linux/arm64", `${app}:multi`), /"architecture":"arm64"/);
  await crane("pull", "--platform", "linux/arm64", `${app}:multi`, "pulled.tar");
  await tools.fail("crane", "push", "pulled.tar", `${registry}/acme/elsewhere:1`);

  await crane("auth", "login", registry, "-u", ADMIN.username, "-p", ADMIN.password);
  // Blobs are mounted from the one repository into the other.
  await crane("copy", `${app}:multi`, `${registry}/admin/copied/nested:1`);
  await crane("validate", "--remote", `${registry}/admin/copied/nested:1`);
  assert.deepEqual(lines(await crane("catalog", registry)), ["acme/app", "admin/copied/nested"]);

  await crane("tag", `${app}:multi`, "gone");
  await crane("delete", `${app}:gone`);
  assert.match(await tools.fail("crane", "manifest", `${app}:gone`), /TAG_EXPIRED/);
  const digest = (await crane("digest", `${registry}/admin/copied/nested:1`)).trim();
  await crane("delete", `${registry}/admin/copied/nested@${digest}`);
  assert.equal(await crane("ls", `${registry}/admin/copied/nested`), "");
}

async function regctlJourney(tools: GoTools, { registry, accessToken }: Site): Promise<void> {
  const regctl = (...args: string[]) => tools.run("regctl", ...args);
  const app = `${registry}/acme/app`;
  await regctl("registry", "login", registry, "-u", "$oauthtoken", "-p", accessToken);
  await regctl("image", "import", `${app}:imported`, "pulled.tar");
  await regctl("image", "copy", `${app}:multi`, `${registry}/acme/regctl:1`, "--digest-tags", "--referrers");
  await regctl("index", "create", `${app}:index`, "--ref", `${app}:amd64`, "--ref", `${app}:arm64`);
  const subject = ["--subject", `${app}:multi`, "--artifact-type", "application/vnd.example.note"];
  await regctl("artifact", "put", ...subject, "-f", "note.txt");
  assert.match(await regctl("artifact", "tree", `${app}:multi`), /application\/vnd\.example\.note/);
  assert.deepEqual(lines(await regctl("repo", "ls", registry)).slice(0, 2), ["acme/app", "acme/regctl"]);
  const digest = (await regctl("image", "digest", `${registry}/acme/regctl:1`)).trim();
  await regctl("tag", "delete", `${app}:index`);
  await regctl("manifest", "delete", `${registry}/acme/regctl@${digest}`);
  assert.equal((await regctl("tag", "ls", `${registry}/acme/regctl`)).trim(), "");
  assert.match(await tools.fail("regctl", "tag", "ls", `${registry}/acme/nothing`), /NAME_UNKNOWN/);
}

async function orasJourney(tools: GoTools, { registry, robot }: Site): Promise<void> {
  // It takes "localhost" for plain HTTP unless told otherwise.
  const tls = ["--plain-http=false"];
  const oras = (...args: string[]) => tools.run("oras", ...args, ...tls);
  const app = `${registry}/acme/app`;
  assert.match(
    await tools.fail("oras", "login", registry, "-u", robot.name, "-p", "WRONG", ...tls),
    /unauthorized/i,
  );
  await oras("login", registry, "-u", ADMIN.username, "-p", ADMIN.password);
  await oras(
    "push",
    `${app}:artifact`,
    "--artifact-type",
    "application/vnd.example.rocket",
    "note.txt:text/plain",
  );
  await oras("attach", `${app}:artifact`, "--artifact-type", "example/sbom", "note.txt:text/plain");
  await oras("attach", `${app}:artifact`, "--artifact-type", "example/signature", "--annotation", "k=v");
  const found = async (reference: string, ...args: string[]) =>
    JSON.parse(await oras("discover", reference, "--format", "json", ...args)).referrers.map(
      (referrer: { artifactType: string }) => referrer.artifactType,
    ).sort();
  assert.deepEqual(await found(`${app}:artifact`), ["example/sbom", "example/signature"]);
  assert.deepEqual(await found(`${app}:artifact`, "--artifact-type", "example/sbom"), ["example/sbom"]);
  const bothTls = ["--from-plain-http=false", "--to-plain-http=false"];
  await tools.run("oras", "copy", "-r", `${app}:artifact`, `${registry}/admin/artifact:1`, ...bothTls);
  assert.deepEqual(await found(`${registry}/admin/artifact:1`), ["example/sbom", "example/signature"]);
  await oras("pull", "-o", "out", `${registry}/admin/artifact:1`);
  assert.equal(await Deno.readTextFile(`${tools.dir}/out/note.txt`), "a note\n");
  assert.ok(lines(await oras("repo", "ls", `${registry}/acme/`)).includes("app"));
  await oras("manifest", "delete", "-f", `${registry}/admin/artifact:1`);
  assert.equal((await oras("repo", "tags", `${registry}/admin/artifact`)).trim(), "");
}

async function helmJourney(tools: GoTools, { registry, accessToken }: Site): Promise<void> {
  const helm = (...args: string[]) => tools.run("helm", ...args);
  await helm("create", "chart");
  await helm("package", "chart", "--version", "1.0.0");
  await helm("package", "chart", "--version", "1.1.0+build.5");
  await helm("registry", "login", registry, "-u", "$oauthtoken", "-p", accessToken);
  const charts = `oci://${registry}/acme/charts`;
  await helm("push", "chart-1.0.0.tgz", charts);
  await helm("push", "chart-1.1.0+build.5.tgz", charts);
  assert.match(await helm("show", "chart", `${charts}/chart`, "--version", "^1.0"), /version: 1\.1\.0/);
  await Deno.mkdir(`${tools.dir}/charts`);
  await helm("pull", `${charts}/chart`, "--version", "1.0.0", "-d", "charts");
  const [sent, got] = ["", "charts/"].map((folder) =>
    Deno.readFileSync(`${tools.dir}/${folder}chart-1.0.0.tgz`)
  );
  assert.deepEqual(got, sent);
}

test({
  name: "crane, regctl, oras, helm: login, push, copy, artifacts, delete over TLS with an own CA",
  needs: [RECENT_GO, "openssl", "tar"],
  async fn(t) {
    const { ca, cert, key } = await makeOwnCa("localhost");
    await using tools = await goTools(["crane", "regctl", "oras", "helm"], ca);
    await makeContent(tools);
    const port = freePort();
    await using appliance = await startAppliance({
      https: `127.0.0.1:${port}`,
      config: {
        SERVER_HOSTNAME: `localhost:${port}`,
        PREFERRED_URL_SCHEME: "https",
        FEATURE_LISTEN_IP_VERSION: "dual-stack",
        FEATURE_USER_INITIALIZE: true,
        FEATURE_MAILING: false,
        SUPER_USERS: [ADMIN.username],
      },
      configFiles: { "ssl.cert": cert, "ssl.key": key },
    });
    const site = await prepare(appliance, `localhost:${port}`);
    await t.step("crane, as a robot and as a user", () => craneJourney(tools, site));
    await t.step("regctl, as $oauthtoken", () => regctlJourney(tools, site));
    await t.step("oras, as a user", () => orasJourney(tools, site));
    await t.step("helm, as $oauthtoken", () => helmJourney(tools, site));
  },
});

test({
  name: "crane, regctl, oras: push and list at an IPv6 literal, without a config.yaml",
  needs: [RECENT_GO, "ipv6", "tar"],
  async fn() {
    await using tools = await goTools(["crane", "regctl", "oras"]);
    await makeContent(tools);
    await using appliance = await startAppliance({ http: "[::1]:0" });
    const { host } = new URL(appliance.httpUrl);
    const { robot } = await prepare(appliance, host);
    const login = ["-u", robot.name, "-p", robot.token];
    const app = `${host}/acme/app`;
    await tools.run("crane", "auth", "login", host, ...login);
    await tools.run("crane", "append", "--oci-empty-base", "-f", "layer.tar", "-t", `${app}:1`);
    await tools.run("regctl", "registry", "set", "--tls", "disabled", host);
    await tools.run("regctl", "registry", "login", host, ...login);
    await tools.run("regctl", "image", "copy", `${app}:1`, `${app}:2`);
    await tools.run("oras", "login", "--plain-http", host, ...login);
    await tools.run("oras", "tag", "--plain-http", `${app}:1`, "3");
    assert.deepEqual(lines(await tools.run("oras", "repo", "tags", "--plain-http", app)), ["1", "2", "3"]);
  },
});

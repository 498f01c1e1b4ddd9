/**
 * Mirroring as a whole, from outside: an appliance, set up over REST, follows real parents, and podman and skopeo pull at
 * the edge what they have pushed at the parent.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { ipv6OnlyNamespace } from "../clients/network_namespace.ts";
import { type OciClients, ociClients } from "../clients/oci_clients.ts";
import { makeOwnCa } from "../clients/own_ca.ts";
import { eventually } from "../database/cluster.ts";
import { test } from "../skip.ts";
import { type Parent, type ParentOptions, startParent } from "./parents.ts";
import { CREW, Site } from "./sites.ts";

const NEEDS = [
  "root",
  "podman",
  "skopeo",
  "buildah",
  "busybox",
  "docker-registry",
  "htpasswd",
  "openssl",
  "curl",
];
/** As podman and skopeo are told who asks an appliance. */
const CREDS = `${CREW.username}:${CREW.password}`;
const AS_CREW = ["--tls-verify=false", "--creds", CREDS];
const BOB = { username: "bob", password: "wörd:with colon" };
const PLATFORMS = ["amd64", "arm64"];

/** A registry to mirror from. */
interface Upstream {
  /** `name:port/repository`, for clients and for the mirror. */
  readonly repository: string;
  readonly tls: boolean;
  readonly account?: { readonly username: string; readonly password: string };
}

/** Two versions of an image for two platforms, in a layout of the clients' folder, under `1` and `2`. */
async function buildVersions(clients: OciClients): Promise<void> {
  for (const version of ["1", "2"]) {
    await Deno.writeTextFile(`${clients.dir}/context/hello`, `hello ${version}\n`);
    const index = `localhost/app:${version}`;
    await clients.run("buildah", "manifest", "create", index);
    for (const platform of PLATFORMS) {
      const tag = `localhost/one:${version}-${platform}`;
      const flags = ["-q", "--no-cache", "--platform", `linux/${platform}`, "-t", tag];
      await clients.run("podman", "build", ...flags, `${clients.dir}/context`);
      await clients.run("buildah", "manifest", "add", index, `containers-storage:${tag}`);
    }
    await clients.run(
      "buildah",
      "manifest",
      "push",
      "-q",
      "--all",
      index,
      `oci:${clients.dir}/built:${version}`,
    );
  }
}

/** Follows one parent: a first run, pulls, a tag that moved and one that went, a second run, pulls. */
async function follow(
  clients: OciClients,
  edge: Site,
  name: string,
  { repository, tls, account }: Upstream,
): Promise<void> {
  const here = `${edge.registry}/acme/${name}`;
  const creds = account === undefined ? [] : ["--creds", `${account.username}:${account.password}`];
  const atParent = [`--tls-verify=${tls}`, ...creds];
  const raw = (reference: string, flags: readonly string[]) =>
    clients.run("skopeo", "inspect", "--raw", ...flags, `docker://${reference}`);
  const push = (version: string, tag: string) =>
    clients.run(
      "skopeo",
      "copy",
      "-q",
      "--all",
      "--preserve-digests",
      `--dest-tls-verify=${tls}`,
      ...(creds.length === 0 ? [] : ["--dest-creds", creds[1] as string]),
      `oci:${clients.dir}/built:${version}`,
      `docker://${repository}:${tag}`,
    );
  const tagsOf = async (reference: string, flags: readonly string[]) =>
    JSON.parse(await clients.run("skopeo", "list-tags", ...flags, `docker://${reference}`)).Tags.sort();
  /** Every manifest byte for byte, and every layer as skopeo verifies it. */
  const isSame = async (tag: string) => {
    const index = await raw(`${repository}:${tag}`, atParent);
    assert.equal(
      await raw(`${here}:${tag}`, AS_CREW),
      index,
      `${tag} is at the edge what it is at the parent`,
    );
    for (const { digest } of JSON.parse(index).manifests) {
      assert.equal(digestOf(await raw(`${here}@${digest}`, AS_CREW)), digest);
    }
    const copy = `${clients.dir}/copy-${crypto.randomUUID()}`;
    await clients.run(
      "skopeo",
      "copy",
      "-q",
      "--all",
      "--preserve-digests",
      "--src-tls-verify=false",
      "--src-creds",
      CREDS,
      `docker://${here}:${tag}`,
      `dir:${copy}`,
    );
    assert.equal(digestOf(await Deno.readTextFile(`${copy}/manifest.json`)), digestOf(index));
  };
  const runs = async (tag: string): Promise<string> => {
    await clients.run("podman", "pull", "-q", ...AS_CREW, `${here}:${tag}`);
    const digests = await clients.run(
      "podman",
      "image",
      "inspect",
      "-f",
      "{{.RepoDigests}}",
      `${here}:${tag}`,
    );
    assert.ok(digests.includes(digestOf(await raw(`${repository}:${tag}`, atParent))), digests);
    const container = (await clients.run("podman", "create", `${here}:${tag}`)).trim();
    await clients.run("podman", "cp", `${container}:/hello`, `${clients.dir}/hello`);
    await clients.run("podman", "rm", "-f", container);
    await clients.run("podman", "rmi", "-f", `${here}:${tag}`);
    return await Deno.readTextFile(`${clients.dir}/hello`);
  };

  await push("1", "1.0");
  await push("1", "latest");
  await push("2", "2.0");
  await edge.mirror(name, repository, { verifyTls: tls, ...(account && { account }) });
  const first = await edge.sync(name);
  assert.equal(first.status, "SUCCESS", JSON.stringify(first));
  assert.deepEqual(await tagsOf(here, AS_CREW), ["1.0", "2.0", "latest"]);
  for (const tag of ["1.0", "2.0", "latest"]) await isSame(tag);
  assert.equal(await runs("latest"), "hello 1\n");

  await push("2", "latest");
  await clients.run("skopeo", "delete", ...atParent, `docker://${repository}:1.0`);
  const second = await edge.sync(name);
  assert.equal(second.status, "SUCCESS", JSON.stringify(second));
  assert.equal(second.bytesFetched, 0, "everything of the moved tag is here");
  assert.deepEqual(await tagsOf(repository, atParent), ["2.0", "latest"]);
  assert.deepEqual(await tagsOf(here, AS_CREW), ["2.0", "latest"]);
  for (const tag of ["2.0", "latest"]) await isSame(tag);
  assert.equal(await runs("latest"), "hello 2\n");
  assert.deepEqual(await edge.expect(200, "POST", `/repository/acme/${name}/mirror/verify`, { read: true }), {
    whole: true,
    faults: [],
  });
}

const digestOf = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;

/** An organization of the edge's follows one of the parent's: what is there is found, made and copied, and podman pulls it. */
async function followOrganization(clients: OciClients, edge: Site, parent: Site): Promise<void> {
  const names = ["app", "tools/one"];
  const dest = ["--dest-tls-verify=false", "--dest-creds", CREDS];
  for (const name of names) {
    const to = `docker://${parent.registry}/acme/${name}:1`;
    await clients.run("skopeo", "copy", "-q", "--all", ...dest, `oci:${clients.dir}/built:1`, to);
  }
  await edge.expect(201, "POST", "/organization/", { name: "branch" });
  await edge.expect(201, "PUT", "/organization/branch/robots/mirror", {});
  await edge.expect(201, "POST", "/organization/branch/mirror", {
    external_registry_type: "quay",
    external_registry_url: `http://${parent.registry}`,
    external_namespace: "acme",
    external_registry_password: parent.token,
    external_registry_config: { verify_tls: false },
    robot_username: "branch+mirror",
    visibility: "private",
    sync_interval: 3600,
    sync_start_date: "2020-01-01T00:00:00Z",
  });
  await eventually(async () => {
    const { repositories } = await edge.expect(200, "GET", "/organization/branch/mirror/repositories");
    const statuses = repositories.map((one: { name: string; sync_status: string }) => [
      one.name,
      one.sync_status,
    ]);
    assert.deepEqual(statuses.sort(), names.map((name) => [name, "SUCCESS"]));
  }, 60_000);
  for (const name of names) {
    const raw = (at: Site, namespace: string) =>
      clients.run("skopeo", "inspect", "--raw", ...AS_CREW, `docker://${at.registry}/${namespace}/${name}:1`);
    assert.equal(await raw(edge, "branch"), await raw(parent, "acme"));
    await clients.run("podman", "pull", "-q", ...AS_CREW, `${edge.registry}/branch/${name}:1`);
  }
}

/** An edge and all kinds of parents in one network. */
async function followAll(t: Deno.TestContext, address: string, netns?: string): Promise<void> {
  const plain = address.replace(/[\[\]]/g, "");
  const clients = await ociClients({ "parent.example": plain, "edge.example": plain }, netns);
  await using _ = clients;
  const { ca, cert, key } = await makeOwnCa("parent.example");
  await using edge = await Site.start({
    address,
    name: "edge.example",
    clients,
    config: { FEATURE_ORG_MIRROR: true, ORG_MIRROR_INTERVAL: 1, SSRF_ALLOWED_HOSTS: ["parent.example"] },
    configFiles: { "extra_ca_certs/parent.crt": ca },
  });
  await buildVersions(clients);
  const step = (what: string, fn: () => Promise<void>) => t.step(what, fn);
  const withRegistry = async (options: ParentOptions, fn: (parent: Parent) => Promise<void>) => {
    const parent = await startParent({ ...options, address, inside: clients.inside });
    try {
      await fn(parent);
    } finally {
      await parent.stop();
    }
  };
  const nameOf = ({ host }: Parent) => `parent.example:${host.slice(host.lastIndexOf(":") + 1)}`;

  await step(
    "docker-registry without TLS",
    () =>
      withRegistry(
        {},
        (parent) => follow(clients, edge, "plain", { repository: `${nameOf(parent)}/team/app`, tls: false }),
      ),
  );
  await step(
    "docker-registry with a certificate of an own authority",
    () =>
      withRegistry({ tls: { cert, key } }, async (parent) => {
        await clients.trust(nameOf(parent), ca);
        await follow(clients, edge, "tls", { repository: `${nameOf(parent)}/team/app`, tls: true });
      }),
  );
  await step(
    "docker-registry with a password",
    () =>
      withRegistry({ password: BOB }, (parent) =>
        follow(clients, edge, "password", {
          repository: `${nameOf(parent)}/team/app`,
          tls: false,
          account: BOB,
        })),
  );
  await step(
    "a second Quaylet, with tokens: a repository, and an organization with all that it has",
    async () => {
      await using parent = await Site.start({ address, name: "parent.example", clients });
      await follow(clients, edge, "quaylet", {
        repository: `${parent.registry}/crew/app`,
        tls: false,
        account: CREW,
      });
      await followOrganization(clients, edge, parent);
    },
  );
}

test({
  name: "mirrors of real parents over IPv4: podman and skopeo pull at the edge what was pushed at the parent",
  needs: NEEDS,
  fn: (t) => followAll(t, "127.0.0.1"),
});

test({
  name:
    "mirrors of real parents where there is no IPv4 at all: podman and skopeo pull at the edge what was pushed",
  needs: [...NEEDS, "ip", "nsenter"],
  async fn(t) {
    await using network = await ipv6OnlyNamespace();
    await followAll(t, "[::1]", network.name);
  },
});

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { OciClients } from "./oci_clients.ts";

export interface Account {
  readonly username: string;
  readonly password: string;
}

interface Index {
  readonly manifests: readonly {
    readonly digest: string;
    readonly platform: { readonly architecture: string };
  }[];
}

const ZSTD = ["--compression-format", "zstd", "--format", "oci"] as const;

/**
 * What people do with a registry, by the real clients: log in, push and pull an image, copy a multi-arch index, push by
 * buildah with zstd layers. What comes back is what was sent, digest for digest.
 * @param registry `host:port` as the clients write it
 */
export async function clientJourney(
  clients: OciClients,
  registry: string,
  { username, password }: Account,
  tls: boolean,
): Promise<void> {
  const verify = `--tls-verify=${tls}`;
  const image = (name: string) => `${registry}/${username}/${name}`;
  const inspect = (reference: string, ...flags: string[]) =>
    clients.run("skopeo", "inspect", verify, ...flags, `docker://${reference}`);
  const digestOf = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;

  await clients.run("podman", "login", verify, "-u", username, "-p", password, registry);

  const context = `${clients.dir}/context`;
  await clients.run("podman", "build", "-q", "-t", image("app:1"), context);
  const idOf = async () =>
    (await clients.run("podman", "image", "inspect", "-f", "{{.Id}}", image("app:1"))).trim();
  const builtId = await idOf();
  await clients.run("podman", "push", "-q", verify, image("app:1"));
  await clients.run("podman", "rmi", "-f", image("app:1"));
  await clients.run("podman", "pull", "-q", verify, image("app:1"));
  assert.equal(await idOf(), builtId, "podman pull brings back the image that was pushed");

  await clients.run("buildah", "manifest", "create", image("multi:1"));
  for (const architecture of ["amd64", "arm64"]) {
    const platform = [
      "--platform",
      `linux/${architecture}`,
      "--no-cache",
      "-t",
      `localhost/one:${architecture}`,
    ];
    await clients.run("podman", "build", "-q", ...platform, context);
    await clients.run(
      "buildah",
      "manifest",
      "add",
      image("multi:1"),
      `containers-storage:localhost/one:${architecture}`,
    );
  }
  const target = `docker://${image("multi:1")}`;
  await clients.run("buildah", "manifest", "push", "-q", "--all", verify, image("multi:1"), target);
  const index = await inspect(image("multi:1"), "--raw");
  const { manifests } = JSON.parse(index) as Index;
  assert.deepEqual(manifests.map((entry) => entry.platform.architecture).sort(), ["amd64", "arm64"]);
  const between = [`--src-tls-verify=${tls}`, `--dest-tls-verify=${tls}`, "--preserve-digests"];
  await clients.run(
    "skopeo",
    "copy",
    "-q",
    "--all",
    ...between,
    `docker://${image("multi:1")}`,
    `docker://${image("copy:1")}`,
  );
  assert.equal(
    await inspect(image("copy:1"), "--raw"),
    index,
    "skopeo copy --all keeps the index byte for byte",
  );
  for (const { digest } of manifests) {
    assert.equal(digestOf(await inspect(`${image("copy")}@${digest}`, "--raw")), digest);
  }
  const tags = await clients.run("skopeo", "list-tags", verify, `docker://${image("copy")}`);
  assert.deepEqual(JSON.parse(tags).Tags, ["1"]);

  // Different files: a client that knows a gzip form of a layer in the repository would push that one again.
  for (
    const [file, tag, ...format] of [["hello", "built:1"], ["Containerfile", "built:zstd", ...ZSTD]] as const
  ) {
    const container = (await clients.run("buildah", "from", "scratch")).trim();
    await clients.run("buildah", "copy", "-q", container, `${context}/${file}`, "/");
    await clients.run("buildah", "commit", "-q", "--rm", container, image(tag));
    await clients.run("buildah", "push", "-q", verify, ...format, image(tag), `docker://${image(tag)}`);
  }
  assert.match(
    await inspect(image("built:zstd"), "--raw"),
    /application\/vnd\.oci\.image\.layer\.v1\.tar\+zstd/,
  );

  const anonymous = await clients.refuse(
    "skopeo",
    "inspect",
    verify,
    "--no-creds",
    `docker://${image("app:1")}`,
  );
  assert.match(anonymous, /unauthorized|authentication required|denied/i);
  await clients.run("skopeo", "delete", verify, `docker://${image("copy:1")}`);
  await clients.refuse("skopeo", "inspect", verify, `docker://${image("copy:1")}`);
  await clients.run("podman", "logout", registry);
  await clients.refuse("podman", "push", "-q", verify, image("app:1"));
  // Last: a wrong password locks the account for some seconds.
  const refusal = await clients.refuse(
    "podman",
    "login",
    verify,
    "-u",
    username,
    "-p",
    "not-the-password",
    registry,
  );
  assert.match(refusal, /invalid username\/password|unauthorized/i);
}

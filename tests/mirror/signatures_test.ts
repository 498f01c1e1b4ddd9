/**
 * Signatures from a parent to an edge: what cosign has signed there verifies here; and without cosign the same, digest by
 * digest. The mirrors name one tag only: what belongs to its image comes along.
 */
import assert from "node:assert/strict";
import { type GoTools, goTools, RECENT_GO } from "../clients/go_tools.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { test } from "../skip.ts";
import { type Descriptor, Pusher, randomBytes } from "./images.ts";
import { type Parent, withParent } from "./parents.ts";
import { CREW, Site } from "./sites.ts";

const CONFIG = { SSRF_ALLOWED_HOSTS: ["127.0.0.1"] };

/** A token of the crew's for one repository. */
async function tokenFor({ registry }: Site, repository: string, actions: string): Promise<string> {
  const scope = `repository:${repository}:${actions}`;
  const response = await fetch(`http://${registry}/v2/auth?service=${registry}&scope=${scope}`, {
    headers: { authorization: `Basic ${btoa(`${CREW.username}:${CREW.password}`)}` },
  });
  return `Bearer ${(await response.json()).token}`;
}

async function pusherOf(parent: Site, repository: string): Promise<Pusher> {
  return new Pusher(
    `http://${parent.registry}`,
    repository,
    await tokenFor(parent, repository, "pull,push"),
  );
}

/** How cosign leaves a signature in a registry. */
const STYLES = {
  "under a tag of its own": { sign: [], verify: [] },
  "as a referrer": {
    sign: ["--registry-referrers-mode=oci-1-1"],
    verify: ["--experimental-oci11=true"],
  },
} as const;
const HTTP = "--allow-http-registry=true";

/** Signs an image at the parent, mirrors it, and verifies it at the edge; an image without a signature does not verify. */
async function signAndVerify(
  tools: GoTools,
  edge: Site,
  parent: { repository: string; push: Pusher; account?: typeof CREW },
  style: keyof typeof STYLES,
): Promise<void> {
  const name = `signed-${crypto.randomUUID().slice(0, 8)}`;
  const here = `${edge.registry}/acme/${name}`;
  const { sign, verify } = STYLES[style];
  const image = await parent.push.image([randomBytes(10_000, 1)], { reference: "v1" });
  await parent.push.image([randomBytes(10_000, 2)], { reference: "unsigned" });
  const signed = `${parent.repository}@${image.digest}`;
  const key = ["--key", "cosign.key", "--tlog-upload=false", "--yes", HTTP];
  await tools.run("cosign", "sign", ...key, ...sign, signed);
  if (style === "under a tag of its own") {
    await tools.run("cosign", "attest", ...key, "--predicate", "sbom.json", "--type", "spdxjson", signed);
  }
  await edge.mirror(name, parent.repository, {
    globs: ["v1", "unsigned"],
    ...(parent.account && { account: parent.account }),
  });
  const run = await edge.sync(name);
  assert.equal(run.status, "SUCCESS", JSON.stringify(run));

  const check = ["--key", "cosign.pub", "--insecure-ignore-tlog=true", HTTP];
  await tools.run("cosign", "login", edge.registry, "-u", CREW.username, "-p", CREW.password);
  const verified = JSON.parse(await tools.run("cosign", "verify", ...check, ...verify, `${here}:v1`));
  assert.equal(verified[0].critical.image["docker-manifest-digest"], image.digest);
  await tools.fail("cosign", "verify", ...check, ...verify, `${here}:unsigned`);
  if (style !== "under a tag of its own") return;
  const attested = await tools.run(
    "cosign",
    "verify-attestation",
    ...check,
    "--type",
    "spdxjson",
    `${here}:v1`,
  );
  assert.match(attested, /payloadType/);
}

test({
  name: "cosign: an image that was signed at the parent verifies at the edge",
  needs: [RECENT_GO, "docker-registry"],
  async fn(t) {
    await using tools = await goTools(["cosign"]);
    await tools.run("cosign", "generate-key-pair");
    await Deno.writeTextFile(`${tools.dir}/sbom.json`, JSON.stringify({ spdxVersion: "SPDX-2.3" }));
    await using edge = await Site.start({ config: CONFIG });
    for (const style of Object.keys(STYLES) as (keyof typeof STYLES)[]) {
      await t.step(`docker-registry, ${style}`, () =>
        withParent({}, async (parent: Parent) => {
          const push = new Pusher(parent.url, "team/app");
          await signAndVerify(tools, edge, { repository: `${parent.host}/team/app`, push }, style);
        }));
    }
    await using parent = await Site.start();
    await tools.run("cosign", "login", parent.registry, "-u", CREW.username, "-p", CREW.password);
    for (const [index, style] of (Object.keys(STYLES) as (keyof typeof STYLES)[]).entries()) {
      await t.step(`a second Quaylet, ${style}`, async () => {
        const path = `crew/app${index}`;
        const push = await pusherOf(parent, path);
        const repository = `${parent.registry}/${path}`;
        await signAndVerify(tools, edge, { repository, push, account: CREW }, style);
      });
    }
  },
});

const SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json";
const SBOM = "application/spdx+json";

/** A signature and an SBOM of an image, and a signature of the SBOM, each as `how` says. @returns all of them */
async function surround(push: Pusher, image: Descriptor, how: "tags" | "referrers"): Promise<Descriptor[]> {
  const made: Descriptor[] = [];
  const about = async (subject: Descriptor, artifactType: string, suffix: string, seed: number) => {
    const options = how === "tags"
      ? { reference: `${subject.digest.replace(":", "-")}.${suffix}` }
      : { more: { subject, artifactType } };
    const descriptor = await push.image([randomBytes(500, seed)], options);
    made.push(descriptor);
    return descriptor;
  };
  await about(image, SIGNATURE, "sig", 11);
  const sbom = await about(image, SBOM, "sbom", 12);
  await about(sbom, SIGNATURE, "sig", 13);
  return made;
}

/** Reads a manifest and its blobs at a registry; every byte is checked. */
async function readWhole(url: string, authorization: string | undefined, reference: string): Promise<string> {
  const headers = {
    accept: "application/vnd.oci.image.manifest.v1+json",
    ...(authorization && { authorization }),
  };
  const answer = await fetch(`${url}/manifests/${reference}`, { headers });
  const text = await answer.text();
  assert.equal(answer.status, 200, `${url}/manifests/${reference}: ${text}`);
  const { config, layers } = JSON.parse(text);
  for (const { digest } of [config, ...layers]) {
    const bytes = await (await fetch(`${url}/blobs/${digest}`, { headers })).bytes();
    assert.equal(digestOf(bytes), digest);
  }
  return digestOf(text);
}

/** What a registry lists as referrers of a digest, and of these. */
async function referrersOf(url: string, authorization: string | undefined, digest: string): Promise<unknown> {
  const headers = authorization === undefined ? {} : { authorization };
  const answer = await fetch(`${url}/referrers/${digest}`, { headers });
  assert.equal(answer.status, 200, `${url}/referrers/${digest}`);
  const { manifests } = await answer.json();
  const tree: Record<string, unknown> = {};
  for (const one of manifests) {
    tree[`${one.artifactType} ${one.digest}`] = await referrersOf(url, authorization, one.digest);
  }
  return tree;
}

for (const how of ["tags", "referrers"] as const) {
  Deno.test(`signatures and what is signed of them (${how}) are at the edge what they are at a second Quaylet`, async () => {
    await using parent = await Site.start();
    await using edge = await Site.start({ config: CONFIG });
    const push = await pusherOf(parent, "crew/app");
    const image = await push.image([randomBytes(10_000, 1)], { reference: "v1" });
    await push.image([randomBytes(10_000, 2)], { reference: "other" });
    const around = await surround(push, image, how);

    await edge.mirror("app", `${parent.registry}/crew/app`, { globs: ["v1"], account: CREW });
    const run = await edge.sync("app");
    assert.equal(run.status, "SUCCESS", JSON.stringify(run));
    const there = `http://${parent.registry}/v2/crew/app`;
    const here = `http://${edge.registry}/v2/acme/app`;
    const authorization = await tokenFor(edge, "acme/app", "pull");
    assert.equal(await readWhole(here, authorization, "v1"), image.digest);
    for (const { digest } of around) assert.equal(await readWhole(here, authorization, digest), digest);
    const expected = await referrersOf(there, push.authorization, image.digest);
    assert.equal(Object.keys(expected as object).length, how === "referrers" ? 2 : 0);
    assert.deepEqual(await referrersOf(here, authorization, image.digest), expected);
    const { tags } = await (await fetch(`${here}/tags/list`, { headers: { authorization } })).json();
    assert.equal(tags.includes("other"), false);
    assert.equal(tags.length, how === "tags" ? 4 : 1, tags.join());

    // They go with their image.
    await push.image([randomBytes(10_000, 3)], { reference: "v1" });
    assert.equal((await edge.sync("app")).status, "SUCCESS");
    assert.deepEqual(await referrersOf(here, authorization, image.digest), {});
    const after = await (await fetch(`${here}/tags/list`, { headers: { authorization } })).json();
    assert.deepEqual(after.tags, ["v1"]);
  });
}

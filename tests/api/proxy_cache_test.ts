import { expect } from "@std/testing";
import { connectUpstream } from "../../src/drivers/upstream/client.ts";
import { createHostGuard } from "../../src/lib/ssrf.ts";
import { type FakeRegistry, withFake } from "../mirror/fake_registry.ts";
import { type Site, withSite } from "./site.ts";

const ON = {
  FEATURE_PROXY_CACHE: true,
  SSRF_ALLOWED_HOSTS: ["127.0.0.1"],
  GLOBAL_READONLY_SUPER_USERS: ["carol"],
};
const AT = "/organization/acme/proxycache";
const VALIDATE = "/organization/acme/validateproxycache";

/** A site that may go to `fake`. */
async function withUpstream(test: (site: Site, fake: FakeRegistry) => Promise<void>): Promise<void> {
  await withFake((fake) =>
    withSite(ON, async (site) => {
      const upstream: Site["deps"]["upstream"] = (wanted) =>
        connectUpstream(wanted, {
          extraCas: [],
          isReachable: createHostGuard(ON.SSRF_ALLOWED_HOSTS).isReachable,
          proxy: { httpProxy: null, httpsProxy: null, noProxy: null },
          firstPauseMs: 5,
          now: Date.now,
        });
      Object.assign(site.deps, { upstream });
      await test(site, fake);
    })
  );
}

Deno.test("proxycache: set up, seen without its password, taken away; one an organization", async () => {
  await withSite(ON, async (site) => {
    const { deps } = site;
    const [alice, carol] = [await site.browserOf("alice"), await site.browserOf("carol")];
    expect(await alice.expect(200, "GET", AT)).toEqual({
      upstream_registry: "",
      expiration_s: "",
      insecure: "",
    });
    const body = {
      org_name: "acme",
      upstream_registry: "127.0.0.1:5000/library",
      upstream_registry_username: "puller",
      upstream_registry_password: "its-password",
      expiration_s: 3600,
      insecure: true,
    };
    expect(await alice.expect(201, "POST", AT, body)).toBe("Created");
    const seen = { upstream_registry: "127.0.0.1:5000/library", expiration_s: 3600, insecure: true };
    expect(await alice.expect(200, "GET", AT)).toEqual(seen);
    expect(await carol.expect(200, "GET", AT)).toEqual(seen);
    const { error_message } = await alice.expect(400, "POST", AT, body);
    expect(error_message).toContain("already exists");
    const stored = await deps.sql`select * from proxycacheconfig`;
    expect(JSON.stringify(stored)).not.toContain("its-password");
    expect(deps.secrets.decrypt(stored[0]!.upstream_registry_password)).toBe("its-password");
    expect(await alice.expect(201, "DELETE", AT)).toBe("Deleted");
    await alice.expect(404, "DELETE", AT);
    // The console sends empty fields where nothing was entered; Ansible leaves them out.
    await alice.expect(201, "POST", AT, {
      upstream_registry: "127.0.0.1",
      upstream_registry_username: "",
      upstream_registry_password: "",
    });
    const [row] = await deps
      .sql`select upstream_registry_username as username, expiration_s from proxycacheconfig`;
    expect({ ...row }).toEqual({ username: null, expiration_s: 86_400 });
    const kinds = await deps.sql<{ name: string; metadata: string }[]>`
      select k.name, l.metadata_json as metadata from logentry3 l join logentrykind k on k.id = l.kind_id
      where k.name like '%proxy_cache%' order by l.id`;
    expect(kinds.map(({ name }) => name)).toEqual([
      "create_proxy_cache_config",
      "delete_proxy_cache_config",
      "create_proxy_cache_config",
    ]);
    expect(JSON.parse(kinds[0]!.metadata)).toEqual({
      namespace: "acme",
      upstream_registry: "127.0.0.1:5000/library",
    });
  });
});

Deno.test("proxycache: of two at once one is made", async () => {
  await withSite(ON, async (site) => {
    const alice = await site.browserOf("alice");
    const answers = await Promise.all(
      Array.from(
        { length: 4 },
        () => alice.call("POST", `/api/v1${AT}`, { body: { upstream_registry: "127.0.0.1" } }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 400, 400, 400]);
    for (const answer of answers) await answer.body?.cancel();
  });
});

Deno.test("proxycache: what cannot be, or must not be gone to", async () => {
  await withSite({ FEATURE_PROXY_CACHE: true }, async (site) => {
    const alice = await site.browserOf("alice");
    const wrong: [unknown, RegExp][] = [
      [{}, /upstream_registry/],
      [{ upstream_registry: "https://quay.io" }, /upstream_registry is host/],
      [{ upstream_registry: "quay.io/../x" }, /upstream_registry is host/],
      [{ upstream_registry: "a".repeat(300) }, /upstream_registry is host/],
      [{ upstream_registry: "169.254.169.254" }, /SSRF_ALLOWED_HOSTS/],
      [{ upstream_registry: "[::1]:5000" }, /SSRF_ALLOWED_HOSTS/],
      [{ upstream_registry: "1.1.1.1", upstream_registry_password: "p" }, /needs upstream_registry_username/],
      [{ upstream_registry: "1.1.1.1", expiration_s: -1 }, /expiration_s/],
      [{ upstream_registry: "1.1.1.1", expiration_s: "soon" }, /expiration_s/],
    ];
    for (const path of [AT, VALIDATE]) {
      for (const [body, words] of wrong) {
        const { error_message, detail } = await alice.expect(400, "POST", path, body);
        expect(error_message ?? detail).toMatch(words);
      }
    }
    expect(await site.deps.sql`select from proxycacheconfig`).toHaveLength(0);
  });
});

Deno.test("validateproxycache: the other registry is asked, and what it says comes in words", async () => {
  await withUpstream(async (site, fake) => {
    const alice = await site.browserOf("alice");
    const body = { upstream_registry: fake.host, insecure: true };
    expect(await alice.expect(202, "POST", VALIDATE, body)).toBe("Valid");

    const right = `Basic ${btoa("puller:right")}`;
    fake.instead = (request) =>
      request.headers.get("authorization") === right ? undefined : new Response(null, {
        status: 401,
        headers: { "www-authenticate": "Basic realm=fake" },
      });
    expect(await alice.expect(202, "POST", VALIDATE, body)).toBe("Anonymous");
    const signedIn = (password: string) => ({
      ...body,
      upstream_registry_username: "puller",
      upstream_registry_password: password,
    });
    expect(await alice.expect(202, "POST", VALIDATE, signedIn("right"))).toBe("Valid");
    const refused = await alice.expect(400, "POST", VALIDATE, signedIn("wrong"));
    expect(refused.error_message).toContain("401");
    expect(JSON.stringify(refused)).not.toContain("wrong");

    fake.instead = () => new Response("no registry here", { status: 404 });
    expect((await alice.expect(400, "POST", VALIDATE, body)).error_message).toContain("404");
    await fake.stop();
    expect((await alice.expect(400, "POST", VALIDATE, body)).error_message).toContain(fake.host);
    expect(await site.deps.sql`select from proxycacheconfig`).toHaveLength(0);
  });
});

Deno.test("tokens/: gone, and says so to whoever may administer the repository", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    await alice.expect(201, "POST", "/repository", {
      namespace: "acme",
      repository: "app",
      visibility: "private",
      description: "",
    });
    for (
      const [method, path] of [["GET", ""], ["POST", ""], ["GET", "abc"], ["PUT", "abc"], ["DELETE", "abc"]]
    ) {
      const { message } = await alice.expect(410, method!, `/repository/acme/app/tokens/${path}`);
      expect(message).toContain("no longer supported");
    }
  });
});

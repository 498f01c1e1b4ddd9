import { expect } from "@std/testing";
import { withEmptySite, withSite } from "./site.ts";

Deno.test("POST /organization/: bodies that are no good", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    const bodies: [what: string, body: string | Uint8Array | undefined, status: number][] = [
      ["none", undefined, 400],
      ["empty", "", 400],
      ["no JSON", "{name:", 400],
      ["an array", "[]", 400],
      ["null", "null", 400],
      ["no name", "{}", 400],
      ["a number for the name", '{"name":7}', 400],
      ["not UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), 400],
      ["NUL", '{"name":"a\\u0000b"}', 400],
      ["deep nesting", "[".repeat(100_000), 400],
      [
        "deep nesting beside what is wanted",
        `{"name":"deep-one","x":${"[".repeat(5000)}${"]".repeat(5000)}}`,
        400,
      ],
      ["too large", JSON.stringify({ name: "x".repeat(1_100_000) }), 413],
      ["upper case", '{"name":"Acme"}', 400],
      ["one letter", '{"name":"a"}', 400],
      ["too long", JSON.stringify({ name: "a".repeat(256) }), 400],
      ["unicode", '{"name":"b\u00fcro"}', 400],
      ["dots", '{"name":".."}', 400],
      ["a slash", '{"name":"a/b"}', 400],
      ["a plus", '{"name":"alice+x"}', 400],
      ["taken by a user", '{"name":"bob"}', 400],
      ["taken by an organization", '{"name":"acme"}', 400],
      ["an escaped backslash before u0000 is no NUL", '{"name":"fine","x":"\\\\u0000"}', 201],
    ];
    for (const [what, body, status] of bodies) {
      const response = await alice.call("POST", "/api/v1/organization/", body === undefined ? {} : { body });
      expect([what, response.status]).toEqual([what, status]);
      await response.body?.cancel();
    }
  });
});

Deno.test("a chunked body without end is cut off at 1 MiB", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 65_536;
        controller.enqueue(new Uint8Array(65_536).fill(0x20));
      },
    });
    const response = await alice.call("POST", "/api/v1/organization/", { body });
    expect(response.status).toBe(413);
    await response.body?.cancel();
    expect(sent).toBeLessThan(4 * 1024 * 1024);
  });
});

Deno.test("paths and names that are no good", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    const repository = (name: string) =>
      alice.api("POST", "/repository", {
        namespace: "alice",
        repository: name,
        visibility: "private",
        description: "",
      });
    for (
      const name of [
        "..",
        "a/..",
        "../x",
        "a//b",
        "/a",
        "a/",
        "",
        "A",
        "_a",
        "b\u00fc",
        "a b",
        "x".repeat(256),
      ]
    ) {
      const response = await repository(name);
      expect([name, response.status]).toEqual([name, 400]);
      await response.body?.cancel();
    }
    const paths: [path: string, status: number][] = [
      ["/organization/%00", 404],
      ["/organization/acme%00", 404],
      ["/organization/%ff", 400],
      ["/organization/%E2%82%AC", 404],
      ["/organization/..%2facme", 404],
      [`/organization/${"a".repeat(5000)}`, 404],
      ["/repository/alice/%2e%2e/x", 404],
      ["/nothing/here", 404],
      ["/repository?namespace=%00", 400],
      ["/repository?namespace=nobody-here", 200],
    ];
    for (const [path, status] of paths) {
      const response = await alice.api("GET", path);
      expect([path, response.status]).toEqual([path, status]);
      await response.body?.cancel();
    }
  });
});

Deno.test("trailing slashes: the other form is answered 308, with its query", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    const rows: [method: string, path: string, location: string][] = [
      ["GET", "/user", "/api/v1/user/"],
      ["POST", "/organization", "/api/v1/organization/"],
      ["GET", "/organization/acme/", "/api/v1/organization/acme"],
      ["GET", "/repository/?namespace=acme", "/api/v1/repository?namespace=acme"],
      ["GET", "/repository/acme/app/", "/api/v1/repository/acme/app"],
      ["GET", "/repository/acme/a/b/permissions/user", "/api/v1/repository/acme/a/b/permissions/user/"],
      ["GET", "/user/robots/", "/api/v1/user/robots"],
    ];
    for (const [method, path, location] of rows) {
      const response = await alice.api(method, path);
      expect([path, response.status, response.headers.get("Location")]).toEqual([path, 308, location]);
    }
    const wrongMethod = await alice.api("DELETE", "/user/robots");
    expect(wrongMethod.status).toBe(405);
    expect(wrongMethod.headers.get("Allow")).toBe("GET, OPTIONS");
    await wrongMethod.body?.cancel();
  });
});

Deno.test("GET from a browser needs X-Requested-With", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    const agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    const get = (headers: Record<string, string>) => alice.call("GET", "/api/v1/user/", { headers });
    const refused = await get({ "User-Agent": agent });
    expect([refused.status, Object.keys(await refused.json())]).toEqual([400, ["error"]]);
    const allowed = await get({ "User-Agent": agent, "X-Requested-With": "XMLHttpRequest" });
    expect(allowed.status).toBe(200);
    await allowed.body?.cancel();
    const curl = await get({ "User-Agent": "curl/8.14.1" });
    expect(curl.status).toBe(200);
    await curl.body?.cancel();
  });
});

Deno.test("REGISTRY_STATE readonly, FEATURE_ANONYMOUS_ACCESS false", async () => {
  await withSite({ REGISTRY_STATE: "readonly" }, async (site) => {
    const alice = await site.browserOf("alice");
    const refused = await alice.expect(503, "POST", "/organization/", { name: "new-one" });
    expect(refused.is_readonly).toBe(true);
    await alice.expect(200, "GET", "/organization/acme");
    await alice.expect(200, "POST", "/signout");
  });
  await withSite({ FEATURE_ANONYMOUS_ACCESS: false }, async (site) => {
    const refused = await site.stranger().expect(401, "GET", "/organization/acme");
    expect(Object.keys(refused)).toEqual(["error"]);
    expect((await site.stranger().expect(401, "GET", "/user/")).session_required).toBe(false);
    await (await site.browserOf("bob")).expect(200, "GET", "/organization/acme");
  });
});

Deno.test("bearer tokens: unknown, malformed, expired", async () => {
  await withSite({}, async (site) => {
    const stranger = site.stranger();
    for (const token of ["x", "A".repeat(40), "A".repeat(4000), "ey.ey.ey"]) {
      const response = await stranger.call("GET", "/api/v1/organization/acme", {
        headers: { Authorization: `Bearer ${token}` },
      });
      expect(response.status).toBe(401);
      expect((await response.json()).error_type).toBe("invalid_token");
    }
    const script = await site.scriptOf("alice", ["user:read"]);
    await script.expect(200, "GET", "/user/");
    await site.deps
      .sql`update oauthaccesstoken set expires_at = now() at time zone 'utc' - interval '1 second'`;
    await script.expect(401, "GET", "/user/");
    const unknownScope = await site.scriptOf("alice", ["user:read"]);
    // As an older registry may have stored it.
    await site.deps.sql`update oauthaccesstoken set scope = 'user:read everything'`;
    await unknownScope.expect(403, "GET", "/user/");
  });
});

Deno.test("errors: Quay's shape, and its explanation", async () => {
  await withEmptySite({}, async (site) => {
    const error = await site.stranger().expect(404, "GET", "/organization/nowhere");
    expect(error).toEqual({
      detail: "Not Found",
      error_message: "Not Found",
      error_type: "not_found",
      title: "not_found",
      type: "http://registry.test/api/v1/error/not_found",
      status: 404,
    });
    await site.stranger().expect(200, "GET", "/error/not_found");
    await site.stranger().expect(404, "GET", "/error/toString");
  });
});

Deno.test("CORS: any origin without credentials, or the configured ones with", async () => {
  const origin = "https://ui.example.org";
  await withEmptySite({}, async (site) => {
    const response = await site.stranger().call("GET", "/api/v1/error/not_found", {
      headers: { Origin: origin },
    });
    await response.body?.cancel();
    expect(response.headers.get("Access-Control-Allow-Origin")).toBe("*");
    expect(response.headers.get("Access-Control-Allow-Credentials")).toBe(null);
  });
  await withEmptySite({ CORS_ORIGIN: [origin] }, async (site) => {
    const ask = async (from: string) => {
      const response = await site.stranger().call("OPTIONS", "/api/v1/user/", { headers: { Origin: from } });
      return [
        response.status,
        response.headers.get("Access-Control-Allow-Origin"),
        response.headers.get("Access-Control-Allow-Credentials"),
      ];
    };
    expect(await ask(origin)).toEqual([200, origin, "true"]);
    expect(await ask("https://evil.example.org")).toEqual([200, null, null]);
  });
});

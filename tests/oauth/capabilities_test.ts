import { expect } from "@std/testing";
import { HOST, withWorld } from "./world.ts";

Deno.test("GET /.well-known/app-capabilities, /registry/capabilities: for everybody", async () => {
  await withWorld({ FEATURE_ANONYMOUS_ACCESS: false, PREFERRED_URL_SCHEME: "https" }, async (world) => {
    const response = await world.fetch(new Request(`${HOST}/.well-known/app-capabilities`));
    expect([response.status, response.headers.get("Content-Type")]).toEqual([200, "application/json"]);
    expect(await response.json()).toEqual({
      appName: "io.quay",
      capabilities: {
        "io.quay.view-image": { "url-template": "https://registry.test/{namespace}/{reponame}:{tag}" },
        "io.quay.image-security": {
          "rest-api-template":
            "https://registry.test/api/v1/repository/{namespace}/{reponame}/image/{imageid}/security",
          deprecated: true,
        },
        "io.quay.manifest-security": {
          "rest-api-template":
            "https://registry.test/api/v1/repository/{namespace}/{reponame}/manifest/{digest}/security",
        },
      },
    });
    expect(await world.stranger().expect(200, "GET", "/registry/capabilities")).toEqual({
      sparse_manifests: {
        supported: false,
        required_architectures: [],
        optional_architectures_allowed: false,
      },
      mirror_architectures: ["amd64", "arm64", "ppc64le", "s390x"],
    });
  });
});

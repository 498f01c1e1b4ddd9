import type { Config } from "../../config/schema.ts";

/** Where tools find an image's page and its security report (Quay's `/.well-known/app-capabilities`). */
export function appCapabilities(config: Pick<Config, "PREFERRED_URL_SCHEME" | "SERVER_HOSTNAME">) {
  const site = `${config.PREFERRED_URL_SCHEME}://${config.SERVER_HOSTNAME}`;
  const repository = `${site}/api/v1/repository/{namespace}/{reponame}`;
  return {
    appName: "io.quay",
    capabilities: {
      "io.quay.view-image": { "url-template": `${site}/{namespace}/{reponame}:{tag}` },
      "io.quay.image-security": {
        "rest-api-template": `${repository}/image/{imageid}/security`,
        deprecated: true,
      },
      "io.quay.manifest-security": { "rest-api-template": `${repository}/manifest/{digest}/security` },
    },
  };
}

import { createSign } from "node:crypto";
import type { CloudFrontSettings } from "./settings.ts";

/**
 * Signs addresses of a CloudFront distribution with a canned policy (RSA with SHA-1, the only one that it takes).
 * @param privateKey PEM
 */
export function createCloudFrontSigner(settings: CloudFrontSettings, privateKey: string) {
  return (
    path: string,
    { expiresMs, namespace }: { expiresMs: number; namespace?: string | undefined },
  ): URL => {
    const own = namespace !== undefined && Object.hasOwn(settings.domainOf, namespace)
      ? settings.domainOf[namespace]
      : undefined;
    const url = new URL(`https://${own ?? settings.domain}/${path}`);
    const expires = Math.floor(expiresMs / 1000);
    const policy = JSON.stringify({
      Statement: [{ Resource: url.href, Condition: { DateLessThan: { "AWS:EpochTime": expires } } }],
    });
    const signature = createSign("RSA-SHA1").update(policy).sign(privateKey, "base64")
      .replaceAll("+", "-").replaceAll("=", "_").replaceAll("/", "~");
    url.search = `Expires=${expires}&Signature=${signature}&Key-Pair-Id=${
      encodeURIComponent(settings.keyId)
    }`;
    return url;
  };
}

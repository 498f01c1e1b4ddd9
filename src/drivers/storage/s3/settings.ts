import { flagOf, needed, type Parameters, sizeOf, textOf } from "../parameters.ts";
import type { CredentialSource } from "./credentials.ts";

const MIB = 1 << 20;
/** S3's least size of a part that is not the last. */
const LEAST_PART_BYTES = 5 * MIB;
const AMAZON = /(^|\.)amazonaws\.com(\.cn)?$/;

/** One bucket, and how to talk to it. Made from a location of `DISTRIBUTED_STORAGE_CONFIG`. */
export interface S3Settings {
  /** Scheme, host and port, such as `https://rgw.example.com:8443/`. */
  readonly endpoint: URL;
  readonly bucket: string;
  /** `https://host/bucket/key`, or else `https://bucket.host/key`. */
  readonly pathStyle: boolean;
  readonly region: string;
  /** `storage_path`, without slashes at its ends; may be empty. */
  readonly prefix: string;
  readonly credentials: CredentialSource;
  readonly partBytes: number;
  /** Headers of each request that makes an object. */
  readonly encryption: Readonly<Record<string, string>>;
  readonly cloudFront: CloudFrontSettings | undefined;
}

export interface CloudFrontSettings {
  readonly domain: string;
  readonly keyId: string;
  /** Name of the PEM file in the config folder. */
  readonly keyFile: string;
  /** Namespaces that have a domain of their own. */
  readonly domainOf: Readonly<Record<string, string>>;
}

/** Engines that speak S3. */
export const S3_ENGINES: ReadonlySet<string> = new Set([
  "S3Storage",
  "STSS3Storage",
  "CloudFrontedS3Storage",
  "RadosGWStorage",
  "RHOCSStorage",
  "IBMCloudStorage",
  "GoogleCloudStorage",
]);

/**
 * Reads the parameters of an engine under Quay's names. `addressing_style` (`path`, `virtual`) and
 * `server_side_encryption` (`AES256`, `aws:kms` with `sse_kms_key_id`) are Quaylet's own.
 * @throws {Error} that names the parameter and says how to mend it, without its value
 */
export function readS3Settings(engine: string, parameters: Parameters): S3Settings {
  const amazonStyle = ["S3Storage", "STSS3Storage", "CloudFrontedS3Storage"].includes(engine);
  const region = textOf(parameters, amazonStyle ? "s3_region" : "region_name") ??
    textOf(parameters, "region") ?? (engine === "GoogleCloudStorage" ? "auto" : "us-east-1");
  const endpoint = endpointOf(engine, parameters, region);
  const bucket = needed(parameters, amazonStyle ? "s3_bucket" : "bucket_name");
  const isAmazon = AMAZON.test(endpoint.hostname);
  return {
    endpoint,
    bucket,
    pathStyle: isPathStyle(parameters, isAmazon && !bucket.includes(".")),
    region,
    prefix: (textOf(parameters, "storage_path") ?? "").replace(/^\/+|\/+$/g, ""),
    credentials: credentialsOf(engine, parameters, region, isAmazon),
    partBytes: partBytesOf(parameters),
    encryption: encryptionOf(parameters, amazonStyle && isAmazon),
    cloudFront: engine === "CloudFrontedS3Storage" ? cloudFrontOf(parameters) : undefined,
  };
}

function endpointOf(engine: string, parameters: Parameters, region: string): URL {
  const whole = textOf(parameters, "endpoint_url");
  if (whole !== undefined) {
    if (!/^https?:\/\//i.test(whole) || !URL.canParse(whole)) {
      throw new Error("endpoint_url is no address: write https://host:port");
    }
    return new URL(whole);
  }
  const secure = flagOf(parameters, "is_secure", true);
  const host = textOf(parameters, "hostname") ?? textOf(parameters, "host") ?? hostOfEngine(engine, region);
  const port = parameters.port === undefined || parameters.port === null
    ? undefined
    : Number(parameters.port);
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) {
    throw new Error("port is no port: write a number from 1 to 65535");
  }
  // A bare IPv6 address is what an operator writes first.
  const isBareIpv6 = host.split(":").length > 2 && !host.startsWith("[");
  const authority = isBareIpv6 ? `[${host}]` : host;
  const text = `${secure ? "https" : "http"}://${authority}${port === undefined ? "" : `:${port}`}`;
  if (!/^[^/\s@?#]+$/.test(host) || !URL.canParse(text)) {
    throw new Error("hostname is no host: write a name or an address, without scheme and path");
  }
  return new URL(text);
}

function hostOfEngine(engine: string, region: string): string {
  if (engine === "GoogleCloudStorage") return "storage.googleapis.com";
  const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  return `s3.${region}.${domain}`;
}

function isPathStyle(parameters: Parameters, virtualIsUsual: boolean): boolean {
  const style = textOf(parameters, "addressing_style");
  if (style === undefined || style === "auto") return !virtualIsUsual;
  if (style !== "path" && style !== "virtual") throw new Error("addressing_style must be path or virtual");
  return style === "path";
}

function credentialsOf(
  engine: string,
  parameters: Parameters,
  region: string,
  isAmazon: boolean,
): CredentialSource {
  if (engine === "STSS3Storage") {
    const endpoint = textOf(parameters, "sts_endpoint_url") ??
      (isAmazon ? `https://sts.${region}.amazonaws.com` : textOf(parameters, "endpoint_url"));
    if (endpoint === undefined || !URL.canParse(endpoint)) {
      throw new Error("sts_endpoint_url is no address: write https://host:port");
    }
    const tokenFile = textOf(parameters, "sts_web_identity_token_file") ??
      Deno.env.get("AWS_WEB_IDENTITY_TOKEN_FILE");
    const accessKey = textOf(parameters, "sts_user_access_key");
    const role = { endpoint: new URL(endpoint), region, roleArn: roleArnOf(parameters) };
    if (accessKey === undefined && tokenFile !== undefined) {
      return { kind: "web_identity", ...role, tokenFile };
    }
    return {
      kind: "assume_role",
      ...role,
      accessKey: accessKey ?? needed(parameters, "sts_user_access_key"),
      secretKey: needed(parameters, "sts_user_secret_key"),
    };
  }
  const [accessName, secretName] = engine === "S3Storage" || engine === "CloudFrontedS3Storage"
    ? ["s3_access_key", "s3_secret_key"] as const
    : ["access_key", "secret_key"] as const;
  const accessKey = textOf(parameters, accessName);
  const secretKey = textOf(parameters, secretName);
  if (accessKey === undefined && secretKey === undefined && engine === "S3Storage") {
    return { kind: "machine" };
  }
  if (accessKey === undefined || secretKey === undefined) {
    throw new Error(`${accessName} and ${secretName} belong together: set both`);
  }
  return { kind: "fixed", accessKey, secretKey, sessionToken: textOf(parameters, "aws_session_token") };
}

function roleArnOf(parameters: Parameters): string {
  return textOf(parameters, "sts_role_arn") ?? Deno.env.get("AWS_ROLE_ARN") ??
    needed(parameters, "sts_role_arn");
}

/** Parts as small as S3 takes them, unless the site asks for larger ones: memory is parts under way times this. */
function partBytesOf(parameters: Parameters): number {
  const least = sizeOf(parameters, "minimum_chunk_size_mb", MIB) ?? LEAST_PART_BYTES;
  const most = sizeOf(parameters, "maximum_chunk_size_mb", MIB) ??
    sizeOf(parameters, "maximum_chunk_size_gb", 1024 * MIB) ?? Infinity;
  return Math.max(LEAST_PART_BYTES, Math.min(least, most));
}

function encryptionOf(parameters: Parameters, isUsual: boolean): Record<string, string> {
  const method = textOf(parameters, "server_side_encryption") ?? (isUsual ? "AES256" : undefined);
  if (method === undefined || method === "none") return {};
  if (method !== "AES256" && method !== "aws:kms") {
    throw new Error("server_side_encryption must be AES256, aws:kms or none");
  }
  const keyId = textOf(parameters, "sse_kms_key_id");
  return {
    "x-amz-server-side-encryption": method,
    ...(method === "aws:kms" && keyId !== undefined &&
      { "x-amz-server-side-encryption-aws-kms-key-id": keyId }),
  };
}

function cloudFrontOf(parameters: Parameters): CloudFrontSettings | undefined {
  const keyFile = textOf(parameters, "cloudfront_privatekey_filename");
  if (keyFile === undefined) return undefined;
  const overrides = parameters.cloudfront_distribution_org_overrides;
  const domainOf = overrides !== null && typeof overrides === "object"
    ? Object.fromEntries(Object.entries(overrides).map(([name, domain]) => [name, String(domain)]))
    : {};
  return {
    domain: needed(parameters, "cloudfront_distribution_domain"),
    keyId: needed(parameters, "cloudfront_key_id"),
    keyFile,
    domainOf,
  };
}

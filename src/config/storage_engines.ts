/** Quay's storage engines and the parameters that each cannot do without. */
export const STORAGE_ENGINES: Readonly<Record<string, readonly string[]>> = {
  LocalStorage: [],
  S3Storage: ["s3_bucket"],
  STSS3Storage: ["s3_bucket"],
  RadosGWStorage: ["hostname", "access_key", "secret_key", "bucket_name"],
  RHOCSStorage: ["hostname", "access_key", "secret_key", "bucket_name"],
  IBMCloudStorage: ["hostname", "access_key", "secret_key", "bucket_name"],
  GoogleCloudStorage: ["access_key", "secret_key", "bucket_name"],
  AzureStorage: ["azure_container", "azure_account_name"],
  SwiftStorage: ["swift_container", "auth_url"],
  CloudFrontedS3Storage: [
    "s3_bucket",
    "s3_access_key",
    "s3_secret_key",
    "cloudfront_distribution_domain",
    "cloudfront_key_id",
  ],
  CloudFlareStorage: ["s3_bucket"],
  MultiCDNStorage: ["storage_config", "providers", "default_provider"],
};

/** Config media type -> media types of its layers, that Quay registers by default. */
export const ARTIFACT_TYPES: Record<string, string[]> = {
  "application/vnd.oci.image.config.v1+json": [
    "application/vnd.dev.cosign.simplesigning.v1+json",
    "application/vnd.dsse.envelope.v1+json",
    "text/spdx",
    "text/spdx+xml",
    "text/spdx+json",
    "application/vnd.syft+json",
    "application/vnd.cyclonedx",
    "application/vnd.cyclonedx+xml",
    "application/vnd.cyclonedx+json",
    "application/vnd.in-toto+json",
  ],
  "application/vnd.cncf.helm.config.v1+json": [
    "application/tar+gzip",
    "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
  ],
  "application/vnd.oci.source.image.config.v1+json": ["application/vnd.oci.image.layer.v1.tar+gzip"],
  "application/vnd.unknown.config.v1+json": [
    "application/vnd.cncf.openpolicyagent.policy.layer.v1+rego",
    "application/vnd.cncf.openpolicyagent.data.layer.v1+json",
  ],
};

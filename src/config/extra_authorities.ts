const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** Bundles of a whole company fit; anything larger is not what belongs here. */
const FILE_MAX_BYTES = 4 * 1024 * 1024;

/**
 * The certificate authorities of `extra_ca_certs/` in the config folder, PEM, one certificate an element: what outgoing
 * connections trust besides the public ones. Every file counts, whatever its name, as in Quay; text between certificates
 * is skipped.
 * @throws {Error} with words for the operator when a file cannot be read
 */
export async function readExtraAuthorities(configDir: string | undefined): Promise<string[]> {
  if (configDir === undefined) return [];
  const folder = `${configDir}/extra_ca_certs`;
  const paths: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) paths.push(`${folder}/${name}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new Error(`${folder} cannot be listed`, { cause: error });
  }
  const found: string[] = [];
  for (const path of paths.sort()) found.push(...await readCertificates(path));
  return [...new Set(found)];
}

async function readCertificates(path: string): Promise<string[]> {
  try {
    const { isFile, size } = await Deno.stat(path);
    // Kubernetes mounts put folders of their own beside the links to the files.
    if (!isFile || size > FILE_MAX_BYTES) return [];
    return (await Deno.readTextFile(path)).match(CERTIFICATE) ?? [];
  } catch (cause) {
    throw new Error(`${path} cannot be read; outgoing connections would miss its certificate authority`, {
      cause,
    });
  }
}

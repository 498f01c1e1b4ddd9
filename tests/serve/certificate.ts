/** A self-signed certificate for `name`, made by openssl. */
export async function makeCertificate(name: string): Promise<{ cert: string; key: string }> {
  const dir = await Deno.makeTempDir();
  try {
    const { success, stderr } = await new Deno.Command("openssl", {
      args: [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
        ...["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name},IP:127.0.0.1,IP:::1`],
        ...["-keyout", `${dir}/key`, "-out", `${dir}/cert`],
      ],
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return { cert: await Deno.readTextFile(`${dir}/cert`), key: await Deno.readTextFile(`${dir}/key`) };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

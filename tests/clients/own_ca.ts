import assert from "node:assert/strict";

export interface OwnCa {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * A CA of our own and a server certificate of it for `name`, PEM, made by openssl.
 * @param days how long the certificate is valid; less than 0: it has expired
 */
export async function makeOwnCa(name: string, days = 2): Promise<OwnCa> {
  const dir = await Deno.makeTempDir({ prefix: "quaylet-ca-" });
  const openssl = async (...args: readonly string[]) => {
    const { success, stderr } = await new Deno.Command("openssl", { args: [...args], cwd: dir }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  try {
    await openssl(
      "req",
      "-x509",
      ...newKey,
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
      "-days",
      "2",
      "-subj",
      "/CN=Test CA",
    );
    await openssl("req", ...newKey, "-keyout", "ssl.key", "-out", "ssl.csr", "-subj", `/CN=${name}`);
    await Deno.writeTextFile(`${dir}/san`, `subjectAltName=DNS:${name}\nbasicConstraints=CA:FALSE\n`);
    const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    await openssl(
      "x509",
      "-req",
      "-in",
      "ssl.csr",
      ...by,
      "-days",
      `${days}`,
      "-extfile",
      "san",
      "-out",
      "ssl.cert",
    );
    const [ca, cert, key] = await Promise.all(
      ["ca.pem", "ssl.cert", "ssl.key"].map((file) => Deno.readTextFile(`${dir}/${file}`)),
    );
    return { ca: ca!, cert: cert!, key: key! };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

import { expect } from "@std/testing";
import { makeAuthority } from "../../src/config/certificates.ts";
import { readExtraAuthorities } from "../../src/config/extra_authorities.ts";

Deno.test("readExtraAuthorities(): every certificate of every file, once", async () => {
  const folder = await Deno.makeTempDir();
  try {
    expect(await readExtraAuthorities(undefined)).toEqual([]);
    expect(await readExtraAuthorities(folder)).toEqual([]);
    const [one, two, three] = await Promise.all(
      ["one", "two", "three"].map(async (name) => (await makeAuthority(name, Date.now())).cert.trim()),
    );
    await Deno.mkdir(`${folder}/extra_ca_certs/..data`, { recursive: true });
    await Deno.writeTextFile(`${folder}/extra_ca_certs/bundle.crt`, `# ours\n${one}\nbetween\n${two}\n`);
    await Deno.writeTextFile(`${folder}/extra_ca_certs/other`, `${three}\n${one}\n`);
    await Deno.writeTextFile(`${folder}/extra_ca_certs/README`, "no certificate here");
    expect(await readExtraAuthorities(folder)).toEqual([one, two, three]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/**
 * Azurite, Microsoft's emulator of Azure Storage, for tests: one a process, in memory, gone with the process. Tests name what it
 * needs with {@link AZURITE_NEEDS}.
 */
import {
  AccountSASPermissions,
  BlobServiceClient,
  generateAccountSASQueryParameters,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";

export const AZURITE_NEEDS = ["azurite-blob"];
/** Known to everybody: Azurite has no other. */
export const ACCOUNT = "devstoreaccount1";
export const ACCOUNT_KEY =
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

const CREDENTIAL = new StorageSharedKeyCredential(ACCOUNT, ACCOUNT_KEY);

let running: Promise<number> | undefined;

/** @returns its port on 127.0.0.1 */
export function azurite(): Promise<number> {
  return running ??= startAzurite();
}

async function startAzurite(): Promise<number> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const child = new Deno.Command("azurite-blob", {
    args: [
      ...["--blobHost", "127.0.0.1", "--blobPort", String(port), "--inMemoryPersistence"],
      // It is older than the SDK, whose newest version it need not know.
      ...["--skipApiVersionCheck", "--silent", "--disableTelemetry"],
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  child.unref();
  globalThis.addEventListener("unload", () => child.kill("SIGKILL"));
  for (let attempt = 0;; attempt++) {
    const answer = await fetch(`http://127.0.0.1:${port}/${ACCOUNT}?comp=list`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer !== undefined) return port;
    if (attempt === 200) throw new Error("Azurite does not come up");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Parameters of a location in a container of its own. */
export async function freshContainer(
  overrides: Record<string, unknown> = {},
): Promise<Record<string, unknown>> {
  const endpoint = `http://127.0.0.1:${await azurite()}/${ACCOUNT}`;
  const container = `test-${crypto.randomUUID()}`;
  await new BlobServiceClient(endpoint, CREDENTIAL).createContainer(container);
  return {
    azure_container: container,
    azure_account_name: ACCOUNT,
    azure_account_key: ACCOUNT_KEY,
    endpoint_url: endpoint,
    storage_path: "/datastorage/registry",
    ...overrides,
  };
}

/** A token that may read, write, list and delete in each container for an hour. */
export function sasToken(): string {
  return generateAccountSASQueryParameters({
    expiresOn: new Date(Date.now() + 3600_000),
    permissions: AccountSASPermissions.parse("rwdlac"),
    services: "b",
    resourceTypes: "co",
  }, CREDENTIAL).toString();
}

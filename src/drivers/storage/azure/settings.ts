import { needed, type Parameters, sizeOf, textOf } from "../parameters.ts";

const MIB = 1 << 20;
/** Azure takes smaller blocks too, but no more than 50,000 of them. */
const USUAL_PART_BYTES = 5 * MIB;

/** One container, and how to talk to it. Made from a location of `DISTRIBUTED_STORAGE_CONFIG`. */
export interface AzureSettings {
  /** Of the account, such as `https://NAME.blob.core.windows.net/`. */
  readonly endpoint: URL;
  readonly container: string;
  /** `storage_path`, without slashes at its ends; may be empty. */
  readonly prefix: string;
  readonly credential:
    | { readonly kind: "key"; readonly accountName: string; readonly accountKey: string }
    | { readonly kind: "sas"; readonly token: string };
  readonly partBytes: number;
}

/** Reads `AzureStorage`'s parameters under Quay's names. @throws {Error} that names the parameter, without its value */
export function readAzureSettings(parameters: Parameters): AzureSettings {
  const accountName = needed(parameters, "azure_account_name");
  const text = textOf(parameters, "endpoint_url") ?? `https://${accountName}.blob.core.windows.net`;
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    throw new Error("endpoint_url is no address: write https://host:port");
  }
  const accountKey = textOf(parameters, "azure_account_key");
  const token = textOf(parameters, "sas_token")?.replace(/^\?/, "");
  if (accountKey === undefined && token === undefined) {
    throw new Error("azure_account_key or sas_token is required");
  }
  if (accountKey !== undefined && !/^[A-Za-z0-9+/]+={0,2}$/.test(accountKey)) {
    throw new Error("azure_account_key is no key: it is written in base64");
  }
  return {
    endpoint: new URL(text),
    container: needed(parameters, "azure_container"),
    prefix: (textOf(parameters, "storage_path") ?? "").replace(/^\/+|\/+$/g, ""),
    credential: accountKey !== undefined
      ? { kind: "key", accountName, accountKey }
      : { kind: "sas", token: token as string },
    partBytes: sizeOf(parameters, "minimum_chunk_size_mb", MIB) ?? USUAL_PART_BYTES,
  };
}

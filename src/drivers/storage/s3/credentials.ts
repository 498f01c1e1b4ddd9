import { connectionWords } from "../connection_errors.ts";
import { asStorageError, S3Refusal } from "./errors.ts";
import { encodePart, Signer } from "./signing.ts";
import { createHash } from "node:crypto";
import { readText, type Transport } from "../transport.ts";
import { textIn } from "./xml.ts";

/** Keys to sign with. */
export interface Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken?: string | undefined;
}

interface Role {
  /** Of the Security Token Service. */
  readonly endpoint: URL;
  readonly region: string;
  readonly roleArn: string;
}

/** Where keys come from. */
export type CredentialSource =
  | { readonly kind: "fixed" } & Credentials
  | { readonly kind: "assume_role"; readonly accessKey: string; readonly secretKey: string } & Role
  | { readonly kind: "web_identity"; readonly tokenFile: string } & Role
  /** What the machine we run on has been given: environment, container, instance. */
  | { readonly kind: "machine" };

interface Lent extends Credentials {
  /** Epoch ms; never for keys from the environment. */
  readonly expiresMs: number;
}

/** Lent keys are replaced this long before they expire, so that no request and no presigned address outlives them. */
const RENEW_BEFORE_MS = 15 * 60_000;
/** Between two tries to renew keys that still hold. */
const TRY_AGAIN_MS = 30_000;
const ANSWER_MS = 10_000;
const SESSION_SECONDS = 3600;
/** RGW wants two characters at least. */
const SESSION_NAME = "quaylet";

/** Gives keys, and renews lent ones before they expire; one renewal at a time. */
export class CredentialStore {
  #lent: Lent | undefined;
  #renewing: Promise<Lent> | undefined;
  #nextTryMs = 0;

  constructor(
    private readonly source: CredentialSource,
    private readonly transport: Transport,
    private readonly now: () => number,
  ) {}

  /** @throws {AppError} `storage_unavailable` when there are none; the cause says why in words */
  async get(): Promise<Credentials> {
    const { source } = this;
    if (source.kind === "fixed") return source;
    const now = this.now();
    if (this.#lent !== undefined && now < this.#lent.expiresMs - RENEW_BEFORE_MS) return this.#lent;
    if (this.#lent !== undefined && now < Math.min(this.#nextTryMs, this.#lent.expiresMs)) return this.#lent;
    this.#renewing ??= this.#renew(source).finally(() => this.#renewing = undefined);
    try {
      return await this.#renewing;
    } catch (error) {
      this.#nextTryMs = this.now() + TRY_AGAIN_MS;
      if (this.#lent !== undefined && this.now() < this.#lent.expiresMs) return this.#lent;
      throw asStorageError(error);
    }
  }

  /** Forgets lent keys that the store has refused. */
  refused(): void {
    this.#lent = undefined;
  }

  async #renew(source: Exclude<CredentialSource, { kind: "fixed" }>): Promise<Lent> {
    const lent = source.kind === "machine" ? await this.#ofMachine() : await this.#ofRole(source);
    return this.#lent = lent;
  }

  async #ofRole(role: Exclude<CredentialSource, { kind: "fixed" | "machine" }>): Promise<Lent> {
    const query: Record<string, string> = {
      Version: "2011-06-15",
      RoleArn: role.roleArn,
      RoleSessionName: SESSION_NAME,
      DurationSeconds: String(SESSION_SECONDS),
    };
    if (role.kind === "assume_role") query.Action = "AssumeRole";
    else {
      query.Action = "AssumeRoleWithWebIdentity";
      query.WebIdentityToken = (await readToken(role.tokenFile)).trim();
    }
    // In the body: a token in an address ends up in logs.
    const text = Object.entries(query).map(([name, value]) => `${name}=${encodePart(value)}`).join("&");
    const body = new TextEncoder().encode(text);
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const url = new URL("/", role.endpoint);
    const signed = role.kind === "web_identity" ? headers : await new Signer("sts", role.region).sign(
      {
        method: "POST",
        url,
        headers,
        payloadHash: createHash("sha256").update(body).digest("hex"),
      },
      role,
      this.now(),
    );
    const { host } = role.endpoint;
    const xml = await this.#ask(host, { method: "POST", url, headers: signed, body });
    const lent = lentOf({
      accessKey: textIn(xml, "AccessKeyId"),
      secretKey: textIn(xml, "SecretAccessKey"),
      sessionToken: textIn(xml, "SessionToken"),
      expiration: textIn(xml, "Expiration"),
    });
    if (lent === undefined) {
      throw new S3Refusal(200, "", `${host} answers AssumeRole with something else than keys`);
    }
    return lent;
  }

  /** Environment, then the container's credential address, then the instance's (IMDSv2). */
  async #ofMachine(): Promise<Lent> {
    const { env } = Deno;
    const [accessKey, secretKey] = [env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY")];
    if (accessKey && secretKey) {
      return { accessKey, secretKey, sessionToken: env.get("AWS_SESSION_TOKEN"), expiresMs: Infinity };
    }
    const relative = env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const full = env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (relative !== undefined || full !== undefined) {
      const token = env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
      const url = new URL(full ?? `http://169.254.170.2${relative}`);
      return await this.#lentBy(url, token === undefined ? {} : { authorization: token });
    }
    const base = env.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") ?? "http://169.254.169.254";
    const token = await this.#ask(new URL(base).host, {
      method: "PUT",
      url: new URL("/latest/api/token", base),
      headers: { "x-aws-ec2-metadata-token-ttl-seconds": "300" },
    });
    const headers = { "x-aws-ec2-metadata-token": token };
    const path = "/latest/meta-data/iam/security-credentials/";
    const role = (await this.#ask(new URL(base).host, { method: "GET", url: new URL(path, base), headers }))
      .trim();
    return await this.#lentBy(new URL(path + encodePart(role), base), headers);
  }

  async #lentBy(url: URL, headers: Record<string, string>): Promise<Lent> {
    const found: unknown = JSON.parse(await this.#ask(url.host, { method: "GET", url, headers }));
    const keys = found as Record<string, string | undefined>;
    const lent = lentOf({
      accessKey: keys.AccessKeyId,
      secretKey: keys.SecretAccessKey,
      sessionToken: keys.Token,
      expiration: keys.Expiration,
    });
    if (lent === undefined) throw new S3Refusal(200, "", `${url.host} gives no keys to this machine`);
    return lent;
  }

  async #ask(
    host: string,
    request: { method: "GET" | "PUT" | "POST"; url: URL; headers: Record<string, string>; body?: Uint8Array },
  ): Promise<string> {
    const answer = await this.transport.send({ ...request, answerMs: ANSWER_MS }).catch((error) => {
      throw new Error(`no keys: ${connectionWords(host, error)}`, { cause: error });
    });
    const text = await readText(answer, 1 << 20);
    if (answer.status === 200) return text;
    const code = textIn(text, "Code") ?? "";
    throw new S3Refusal(
      answer.status,
      code,
      `${host} lends no keys: it answers ${answer.status} ${code}`.trimEnd(),
    );
  }
}

async function readToken(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new Error(`no keys: the web identity token file ${path} cannot be read`, { cause });
  }
}

function lentOf({ accessKey, secretKey, sessionToken, expiration }: {
  accessKey: string | undefined;
  secretKey: string | undefined;
  sessionToken: string | undefined;
  expiration: string | undefined;
}): Lent | undefined {
  const expiresMs = expiration === undefined ? NaN : Date.parse(expiration);
  if (!accessKey || !secretKey || Number.isNaN(expiresMs)) return undefined;
  return { accessKey, secretKey, sessionToken, expiresMs };
}

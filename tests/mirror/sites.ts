/** Running appliances that mirror and are mirrored from, as their administrator has them: over REST, from outside. */
import assert from "node:assert/strict";
import { type Appliance, type ApplianceOptions, startAppliance } from "../appliance.ts";
import type { OciClients } from "../clients/oci_clients.ts";
import { freePort } from "./parents.ts";

export const CREW = { username: "crew", password: "a-long-password" };

export interface SiteOptions {
  /** Where it listens; an IPv6 address in brackets. */
  readonly address?: string;
  /** As the others know it, without the port; the address unless given. */
  readonly name?: string;
  readonly config?: Record<string, unknown>;
  readonly configFiles?: Readonly<Record<string, string>>;
  /** Whose network it is in. */
  readonly clients?: OciClients;
  readonly dataDir?: string;
}

interface Answer {
  readonly status: number;
  // deno-lint-ignore no-explicit-any
  readonly json: any;
}

/** A run that has ended, as `GET …/mirror/progress` and `GET …/mirror` tell it. */
export interface EndedRun {
  readonly status: string;
  readonly lastError: string | null;
  readonly bytesFetched: number;
}

/** An appliance with the user {@link CREW}, the organization `acme` and its robot `acme+mirror`. */
export class Site {
  private constructor(
    readonly appliance: Appliance,
    /** `name:port`. */
    readonly registry: string,
    readonly token: string,
    readonly clients: OciClients | undefined,
  ) {}

  static async start(options: SiteOptions = {}): Promise<Site> {
    const { address = "127.0.0.1", name = address, config, configFiles, clients, dataDir } = options;
    const port = freePort();
    const registry = `${name}:${port}`;
    const appliance = await startAppliance(
      {
        http: `${address}:${port}`,
        https: `${address}:0`,
        metrics: `${address}:0`,
        config: {
          SERVER_HOSTNAME: registry,
          PREFERRED_URL_SCHEME: "http",
          FEATURE_LISTEN_IP_VERSION: address.startsWith("[") ? "IPv6" : "IPv4",
          FEATURE_USER_INITIALIZE: true,
          FEATURE_MAILING: false,
          FEATURE_REPO_MIRROR: true,
          REPO_MIRROR_INTERVAL: 1,
          SUPER_USERS: [CREW.username],
          ...config,
        },
        ...(configFiles && { configFiles }),
        ...(clients && clients.inside),
        ...(dataDir !== undefined && { dataDir }),
      } satisfies ApplianceOptions,
    );
    const site = new Site(appliance, registry, "", clients);
    try {
      const made = await site.rest("POST", "/user/initialize", {
        ...CREW,
        email: "crew@edge.example",
        access_token: true,
      });
      assert.equal(made.status, 200, JSON.stringify(made.json));
      const signedIn = new Site(appliance, registry, made.json.access_token, clients);
      await signedIn.expect(201, "POST", "/organization/", { name: "acme" });
      await signedIn.expect(201, "PUT", "/organization/acme/robots/mirror", {});
      return signedIn;
    } catch (error) {
      await appliance.stop();
      throw error;
    }
  }

  /** By curl from inside its network, where it has one of its own. */
  async rest(method: string, path: string, body?: unknown): Promise<Answer> {
    const url = `http://${this.registry}/api/v1${path}`;
    const headers = {
      "Content-Type": "application/json",
      ...(this.token !== "" && { Authorization: `Bearer ${this.token}` }),
    };
    const { clients } = this;
    if (clients === undefined) {
      const response = await fetch(url, {
        method,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      return answerOf(response.status, await response.text());
    }
    const out = await clients.run(
      "curl",
      "-sS",
      ...["-X", method, "-w", "\n%{http_code}"],
      ...Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
      ...(body === undefined ? [] : ["--data-binary", JSON.stringify(body)]),
      url,
    );
    const at = out.lastIndexOf("\n");
    return answerOf(Number(out.slice(at + 1)), out.slice(0, at));
  }

  // deno-lint-ignore no-explicit-any
  async expect(status: number, method: string, path: string, body?: unknown): Promise<any> {
    const answer = await this.rest(method, path, body);
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.json)}`);
    return answer.json;
  }

  /** Makes `acme/<name>`, which follows `reference` whenever it is asked to. */
  async mirror(
    name: string,
    reference: string,
    settings: {
      readonly globs?: readonly string[];
      readonly verifyTls?: boolean;
      readonly account?: { readonly username: string; readonly password: string };
      readonly [more: string]: unknown;
    } = {},
  ): Promise<void> {
    const { globs = ["*"], verifyTls = false, account, ...more } = settings;
    const repository = { namespace: "acme", repository: name, visibility: "private", description: "" };
    await this.expect(201, "POST", "/repository", repository);
    await this.expect(201, "POST", `/repository/acme/${name}/mirror`, {
      external_reference: reference,
      sync_interval: 0,
      sync_start_date: "2099-01-01T00:00:00Z",
      root_rule: { rule_kind: "tag_glob_csv", rule_value: globs },
      robot_username: "acme+mirror",
      external_registry_config: { verify_tls: verifyTls },
      ...(account && {
        external_registry_username: account.username,
        external_registry_password: account.password,
      }),
      is_enabled: false,
      ...more,
    });
  }

  async startSync(name: string): Promise<void> {
    await this.expect(204, "POST", `/repository/acme/${name}/mirror/sync-now`);
  }

  // deno-lint-ignore no-explicit-any
  progress(name: string): Promise<any> {
    return this.expect(200, "GET", `/repository/acme/${name}/mirror/progress`);
  }

  /** Runs the mirror once, to its end. */
  async sync(name: string): Promise<EndedRun> {
    await this.startSync(name);
    return await this.ended(name);
  }

  async ended(name: string): Promise<EndedRun> {
    const deadlineMs = Date.now() + 120_000;
    while (true) {
      const progress = await this.progress(name);
      const { sync_status: status, phase, last_error: lastError, bytes_fetched: bytesFetched } = progress;
      if (["SUCCESS", "FAIL", "CANCEL"].includes(status) && ["done", "failed", "cancelled"].includes(phase)) {
        return { status, lastError, bytesFetched };
      }
      if (Date.now() > deadlineMs) throw new Error(`no end of the run: ${JSON.stringify(progress)}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.appliance.stop();
  }
}

function answerOf(status: number, text: string): Answer {
  try {
    return { status, json: text === "" ? undefined : JSON.parse(text) };
  } catch {
    return { status, json: text };
  }
}

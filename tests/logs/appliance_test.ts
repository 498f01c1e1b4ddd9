import { expect } from "@std/testing";
import { startAppliance } from "../appliance.ts";

const USER = { username: "admin", password: "correct-horse", email: "admin@example.org" };
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const PULLS = 200;

/** The appliance as a client and a script see it. */
class Site {
  private constructor(readonly url: string, readonly token: string) {}

  static async first(url: string): Promise<Site> {
    const response = await fetch(`${url}/api/v1/user/initialize`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...USER, access_token: true }),
    });
    return new Site(url, (await response.json()).access_token);
  }

  at(url: string): Site {
    return new Site(url, this.token);
  }

  // deno-lint-ignore no-explicit-any
  async get(path: string): Promise<any> {
    const headers = { Authorization: `Bearer ${this.token}` };
    const response = await fetch(`${this.url}/api/v1${path}`, { headers });
    expect([path, response.status]).toEqual([path, 200]);
    return await response.json();
  }

  /** `Authorization` of a client that may pull and push `admin/app`. */
  async bearer(): Promise<string> {
    const query = "service=registry.test&scope=repository:admin/app:pull,push";
    const headers = { Authorization: `Basic ${btoa(`${USER.username}:${USER.password}`)}` };
    const response = await fetch(`${this.url}/v2/auth?${query}`, { headers });
    return `Bearer ${(await response.json()).token}`;
  }

  /** An image without layers, tagged `v1`. */
  async push(authorization: string): Promise<void> {
    const digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    const upload = await fetch(`${this.url}/v2/admin/app/blobs/uploads/?digest=${digest}`, {
      method: "POST",
      headers: { authorization },
      body: "{}",
    });
    expect(upload.status).toBe(201);
    await upload.body?.cancel();
    const config = { mediaType: "application/vnd.oci.empty.v1+json", digest, size: 2 };
    const put = await fetch(`${this.url}/v2/admin/app/manifests/v1`, {
      method: "PUT",
      headers: { authorization, "Content-Type": MANIFEST },
      body: JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers: [config] }),
    });
    expect(put.status).toBe(201);
    await put.body?.cancel();
  }
}

Deno.test("the appliance: every pull that was answered is in the log after a clean stop, from whatever thread", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "quaylet-logs-" });
  const config = {
    FEATURE_USER_INITIALIZE: true,
    FEATURE_MAILING: false,
    SERVER_HOSTNAME: "registry.test",
    SECRET_KEY: "a key that both runs have",
    DATABASE_SECRET_KEY: "another one",
  };
  try {
    let site: Site;
    {
      await using appliance = await startAppliance({ config, dataDir });
      site = await Site.first(appliance.httpUrl);
      const authorization = await site.bearer();
      await site.push(authorization);
      const pull = async () => {
        const headers = { authorization, "User-Agent": "client/1", Connection: "close" };
        const response = await fetch(`${site.url}/v2/admin/app/manifests/v1`, { headers });
        await response.arrayBuffer();
        return response.status;
      };
      const statuses = await Promise.all(Array.from({ length: PULLS }, pull));
      expect(new Set(statuses)).toEqual(new Set([200]));
      expect(await appliance.stop()).toBe(0);
    }
    await using appliance = await startAppliance({ config, dataDir });
    site = site.at(appliance.httpUrl);
    const { aggregated } = await site.get("/repository/admin/app/aggregatelogs");
    const pulls = aggregated.filter((row: { kind: string }) => row.kind === "pull_repo");
    expect(pulls.reduce((sum: number, row: { count: number }) => sum + row.count, 0)).toBe(PULLS);
    const { logs } = await site.get("/repository/admin/app/logs");
    expect(logs[0]).toMatchObject({
      kind: "pull_repo",
      ip: "127.0.0.1",
      metadata: { repo: "app", namespace: "admin", tag: "v1", username: "admin", "user-agent": "client/1" },
      performer: { name: "admin" },
    });
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

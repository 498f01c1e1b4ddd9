/** The real clients of Debian's packages against a running appliance, over each kind of network. */
import assert from "node:assert/strict";
import { type ApplianceOptions, startAppliance } from "../appliance.ts";
import { test } from "../skip.ts";
import { type Account, clientJourney } from "./journey.ts";
import { ipv6OnlyNamespace } from "./network_namespace.ts";
import { ociClients } from "./oci_clients.ts";
import { makeOwnCa } from "./own_ca.ts";

const NEEDS = ["root", "podman", "skopeo", "buildah", "busybox"];
const ACCOUNT: Account = { username: "crew", password: "a-long-password" };

/** Makes the first user, from inside the appliance's network. */
async function initializeUser(httpUrl: string, enter: readonly string[] = []): Promise<void> {
  const body = JSON.stringify({ ...ACCOUNT, email: "crew@registry.example" });
  const script = `const r = await fetch(${JSON.stringify(`${httpUrl}/api/v1/user/initialize`)}, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: ${JSON.stringify(body)} });
    if (r.status !== 200) throw new Error(r.status + " " + await r.text());`;
  const [program, ...args] = [...enter, Deno.execPath(), "eval", script];
  const { success, stderr } = await new Deno.Command(program!, { args, env: { NO_COLOR: "1" } }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** A port that was free a moment ago: the configuration must name it beforehand. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "::", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** A URL that reaches a listener on a wildcard address. */
const reachable = (url: string) => url.replace("[::]", "[::1]").replace("0.0.0.0", "127.0.0.1");

async function journeyOver(
  options: ApplianceOptions,
  name: string,
  address: string,
  ca?: string,
): Promise<void> {
  await using appliance = await startAppliance(options);
  await using clients = await ociClients({ [name]: address });
  await initializeUser(reachable(appliance.httpUrl));
  const url = ca === undefined ? appliance.httpUrl : appliance.httpsUrl;
  assert.ok(url !== undefined, "no https listener");
  const registry = `${name}:${new URL(url).port}`;
  if (ca !== undefined) await clients.trust(registry, ca);
  await clientJourney(clients, registry, ACCOUNT, ca !== undefined);
}

test({
  name: "podman, skopeo, buildah: login, push, pull, copy of an index over IPv4",
  needs: NEEDS,
  fn: () => journeyOver({ http: "127.0.0.1:0" }, "registry4.example", "127.0.0.1"),
});

test({
  name: "podman, skopeo, buildah: login, push, pull, copy of an index over IPv6",
  needs: [...NEEDS, "ipv6"],
  fn: () => journeyOver({ http: "[::1]:0" }, "registry6.example", "::1"),
});

test({
  name: "podman, skopeo, buildah: login, push, pull, copy of an index over TLS with an own CA",
  needs: [...NEEDS, "ipv6", "openssl"],
  async fn() {
    const name = "registry.example";
    const { ca, cert, key } = await makeOwnCa(name);
    const port = freePort();
    const options: ApplianceOptions = {
      https: `[::]:${port}`,
      config: {
        SERVER_HOSTNAME: `${name}:${port}`,
        PREFERRED_URL_SCHEME: "https",
        FEATURE_LISTEN_IP_VERSION: "dual-stack",
        FEATURE_USER_INITIALIZE: true,
        FEATURE_MAILING: false,
      },
      configFiles: { "ssl.cert": cert, "ssl.key": key },
    };
    await journeyOver(options, name, "::1", ca);
  },
});

test({
  name: "podman, skopeo, buildah: login, push, pull, copy of an index where there is no IPv4 at all",
  needs: [...NEEDS, "ip", "nsenter"],
  async fn() {
    await using network = await ipv6OnlyNamespace();
    await using appliance = await startAppliance({
      prefix: network.enter,
      http: "[::]:0",
      https: "[::]:0",
      metrics: "[::]:0",
    });
    await using clients = await ociClients({ "registry6.example": "::1" }, network.name);
    await initializeUser(reachable(appliance.httpUrl), network.enter);
    await clientJourney(clients, `registry6.example:${new URL(appliance.httpUrl).port}`, ACCOUNT, false);
  },
});

test({
  name: "podman: an IPv6 literal is no image name, which is why a host name is needed",
  needs: NEEDS,
  async fn() {
    await using clients = await ociClients({});
    for (const client of [["podman", "pull"], ["buildah", "pull"], ["skopeo", "inspect"]]) {
      const reference = client[0] === "skopeo" ? "docker://[::1]:5000/crew/app:1" : "[::1]:5000/crew/app:1";
      assert.match(await clients.refuse(...client, reference), /invalid reference format/);
    }
  },
});

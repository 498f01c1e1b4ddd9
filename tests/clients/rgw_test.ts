/** The real clients against an appliance that stores in a real Ceph RGW. */
import assert from "node:assert/strict";
import { startAppliance } from "../appliance.ts";
import { test } from "../skip.ts";
import { ACCESS_KEY, freshBucket, rgw, RGW_NEEDS, SECRET_KEY } from "../storage/rgw.ts";
import { Client, USER } from "../faults/client.ts";
import { seededRandom } from "../faults/random.ts";
import { startFaultProxy } from "../storage/fault_proxy.ts";
import { clientJourney } from "./journey.ts";
import { ociClients } from "./oci_clients.ts";

for (const proxies of [false, true]) {
  test({
    name: `podman, skopeo, buildah on Ceph RGW, ${
      proxies ? "FEATURE_PROXY_STORAGE: layers come through the registry" : "layers come from RGW by redirect"
    }: login, push, pull, copy of an index`,
    needs: ["root", "podman", "skopeo", "buildah", "busybox", ...RGW_NEEDS],
    async fn() {
      const { bucket } = await freshBucket();
      const store = startFaultProxy((await rgw()).port);
      const own = freePort();
      const registry = `registry.example:${own}`;
      const config = {
        SERVER_HOSTNAME: registry,
        FEATURE_USER_INITIALIZE: true,
        FEATURE_MAILING: false,
        FEATURE_PROXY_STORAGE: proxies,
        DISTRIBUTED_STORAGE_CONFIG: {
          ceph: ["RadosGWStorage", {
            hostname: "127.0.0.1",
            port: Number(store.url.port),
            is_secure: false,
            access_key: ACCESS_KEY,
            secret_key: SECRET_KEY,
            bucket_name: bucket,
            storage_path: "/datastorage/registry",
          }],
        },
      };
      try {
        await using appliance = await startAppliance({ config, http: `127.0.0.1:${own}` });
        await using clients = await ociClients({ "registry.example": "127.0.0.1" });
        // A layer that does not pack: only what is larger than a MiB is worth a redirect.
        await Deno.writeFile(`${clients.dir}/context/hello`, seededRandom("layer").bytes(3_000_000));
        await Client.initialize(appliance);
        await clientJourney(clients, registry, USER, false);
        // Who was redirected brings the signature in the address, the registry in a header.
        const read = store.requests.filter(({ method, target }) =>
          method === "GET" && /sha256\/..\/[0-9a-f]{64}/.test(target)
        );
        assert.ok(read.length > 0, "layers were read from the store");
        assert.equal(read.some(({ target }) => /X-Amz-Signature=/.test(target)), !proxies);
      } finally {
        store.close();
      }
    },
  });
}

/** A port that was free a moment ago: the configuration must name it beforehand. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

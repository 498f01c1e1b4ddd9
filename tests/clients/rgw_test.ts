/** The real clients against an appliance that stores in a real Ceph RGW. */
import { startAppliance } from "../appliance.ts";
import { test } from "../skip.ts";
import { ACCESS_KEY, freshBucket, rgw, RGW_NEEDS, SECRET_KEY } from "../storage/rgw.ts";
import { Client, USER } from "../faults/client.ts";
import { clientJourney } from "./journey.ts";
import { ociClients } from "./oci_clients.ts";

test({
  name: "podman, skopeo, buildah on Ceph RGW: login, push, pull, copy of an index",
  needs: ["root", "podman", "skopeo", "buildah", "busybox", ...RGW_NEEDS],
  async fn() {
    const { bucket } = await freshBucket();
    const { port } = await rgw();
    const own = freePort();
    const registry = `registry.example:${own}`;
    const config = {
      SERVER_HOSTNAME: registry,
      FEATURE_USER_INITIALIZE: true,
      FEATURE_MAILING: false,
      DISTRIBUTED_STORAGE_CONFIG: {
        ceph: ["RadosGWStorage", {
          hostname: "127.0.0.1",
          port,
          is_secure: false,
          access_key: ACCESS_KEY,
          secret_key: SECRET_KEY,
          bucket_name: bucket,
          storage_path: "/datastorage/registry",
        }],
      },
    };
    await using appliance = await startAppliance({ config, http: `127.0.0.1:${own}` });
    await using clients = await ociClients({ "registry.example": "127.0.0.1" });
    await Client.initialize(appliance);
    await clientJourney(clients, registry, USER, false);
  },
});

/** A port that was free a moment ago: the configuration must name it beforehand. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

import assert from "node:assert/strict";
import { SYNC_STATUS } from "../../src/domain/mirroring/model.ts";
import { requestMirrorSync } from "../../src/drivers/database/queries/mirror.ts";
import { EMBEDDED_USER } from "../../src/drivers/database/postgres.ts";
import { createFilesystemDriver } from "../../src/drivers/storage/filesystem.ts";
import { applianceCommand } from "../appliance.ts";
import { quaylet, withFolder } from "../cli/quaylet.ts";
import { testDeps, withDatabase } from "../database.ts";
import { withTcp } from "../database/tcp.ts";
import { eventually } from "../database/cluster.ts";
import { Edge, furnish } from "./edge.ts";
import { withFake } from "./fake_registry.ts";
import { randomBytes } from "./images.ts";

Deno.test("quaylet repomirror works on the mirrors of an external database, and stops when it is asked to", () =>
  withFake((fake) =>
    withFolder((folder) =>
      withDatabase((sql, database) =>
        withTcp(async (port) => {
          const storage = `${folder}/storage`;
          const config = {
            FEATURE_REPO_MIRROR: true,
            SSRF_ALLOWED_HOSTS: ["127.0.0.1"],
            DB_URI: `postgresql://${EMBEDDED_USER}@127.0.0.1:${port}/${database}`,
            SECRET_KEY: "secret-key-for-tests",
            DATABASE_SECRET_KEY: "database-secret-key-for-tests",
            DISTRIBUTED_STORAGE_CONFIG: { default: ["LocalStorage", { storage_path: storage }] },
            DISTRIBUTED_STORAGE_PREFERENCE: ["default"],
          };
          await Deno.mkdir(`${folder}/config`);
          await Deno.writeTextFile(`${folder}/config/config.yaml`, JSON.stringify(config));
          const driver = createFilesystemDriver({ root: storage });
          const deps = testDeps(sql, { storage: { name: "default", driver } });
          await furnish(deps);
          const edge = new Edge(deps, storage);
          const digest = fake.image("v1", [randomBytes(100_000, 1)]);
          const mirror = await edge.mirror({ reference: `${fake.host}/app`, enabled: false });
          await requestMirrorSync(sql, mirror.repositoryId);

          const [program, ...first] = applianceCommand() as [string, ...string[]];
          const place = ["--data", `${folder}/data`, "--config", `${folder}/config`];
          const child = new Deno.Command(program, {
            args: [...first, "repomirror", ...place, "--metrics", "127.0.0.1:0", "--log", "json"],
            stdout: "piped",
            stderr: "inherit",
          }).spawn();
          try {
            await eventually(async () => {
              assert.equal((await edge.find(mirror.repositoryId)).status, SYNC_STATUS.SUCCESS);
            }, 60_000);
            assert.deepEqual(await edge.tags(mirror), { v1: digest });
            await edge.readWhole(mirror, digest);
          } finally {
            child.kill("SIGTERM");
            const { code, stdout } = await child.output();
            assert.equal(code, 0, new TextDecoder().decode(stdout));
          }
        })
      )
    )
  ));

Deno.test("quaylet repomirror without an external database says what to do instead", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/config`);
    await Deno.writeTextFile(`${folder}/config/config.yaml`, "FEATURE_REPO_MIRROR: true\n");
    const place = ["--data", `${folder}/data`, "--config", `${folder}/config`];
    const { code, stderr } = await quaylet(["repomirror", ...place, "--metrics", "127.0.0.1:0"]);
    assert.equal(code, 1);
    assert.match(stderr, /DB_URI/);
  }));

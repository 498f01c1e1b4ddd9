import assert from "node:assert/strict";
import { startUpload } from "../../src/domain/content/uploads.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { withRegistry } from "./registry.ts";

const UPLOADS = "/v2/acme/app/blobs/uploads/";

async function refusal(response: Response) {
  const { errors } = await response.json();
  return { status: response.status, code: errors[0].code };
}

Deno.test("POST, PATCH uploads: DISABLE_PUSHES refuses new bytes; what is there can be read, finished and cancelled", () =>
  withRegistry(
    async ({ call, deps, ids, files }) => {
      assert.deepEqual(await refusal(await call("POST", UPLOADS)), {
        status: 405,
        code: "METHOD NOT ALLOWED",
      });
      const digest = digestOf("whole");
      const whole = await call("POST", `${UPLOADS}?digest=${digest}`, { body: "whole" });
      assert.deepEqual(await refusal(whole), { status: 405, code: "METHOD NOT ALLOWED" });
      const mount = await call("POST", `${UPLOADS}?mount=${digest}&from=acme/other`);
      assert.deepEqual(await refusal(mount), { status: 405, code: "METHOD NOT ALLOWED" });
      const { uuid } = await startUpload(deps, ids.app);
      const chunk = await call("PATCH", `${UPLOADS}${uuid}`, { body: "chunk" });
      assert.deepEqual(await refusal(chunk), { status: 405, code: "METHOD NOT ALLOWED" });
      assert.deepEqual(await files(), []);
      assert.equal((await call("GET", `${UPLOADS}${uuid}`)).status, 204);
      assert.equal((await call("DELETE", `${UPLOADS}${uuid}`)).status, 204);
    },
    undefined,
    { DISABLE_PUSHES: true },
  ));

Deno.test("uploads and blob DELETE: REGISTRY_STATE readonly and a read-only or mirrored repository refuse every write", () =>
  withRegistry(async ({ call, deps, ids, files, sql }) => {
    const digest = digestOf("kept");
    const pushed = await call("POST", `${UPLOADS}?digest=${digest}`, { body: "kept" });
    assert.equal(pushed.status, 201);
    const { uuid } = await startUpload(deps, ids.app);
    const before = await files();
    const everyWrite = async () => {
      for (
        const [method, path] of [
          ["POST", UPLOADS],
          ["POST", `${UPLOADS}?digest=${digest}`],
          ["PATCH", `${UPLOADS}${uuid}`],
          ["PUT", `${UPLOADS}${uuid}?digest=${digest}`],
          ["DELETE", `${UPLOADS}${uuid}`],
          ["DELETE", `/v2/acme/app/blobs/${digest}`],
        ] as const
      ) {
        const body = method === "DELETE" ? {} : { body: "kept" };
        assert.deepEqual(
          await refusal(await call(method, path, body)),
          { status: 405, code: "DENIED" },
          `${method} ${path}`,
        );
      }
      assert.equal(
        (await call("GET", `/v2/acme/app/blobs/${digest}`)).status,
        200,
        "still there to be pulled",
      );
      assert.deepEqual(await files(), before);
    };
    for (const state of [1, 2, 4]) {
      await sql`update repository set state = ${state} where id = ${ids.app}`;
      await everyWrite();
    }
    await sql`update repository set state = 0 where id = ${ids.app}`;
    (deps.config as { REGISTRY_STATE: string }).REGISTRY_STATE = "readonly";
    await everyWrite();
  }));

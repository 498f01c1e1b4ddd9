import assert from "node:assert/strict";
import { renderMetrics } from "../../src/lib/metrics.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { withRegistry } from "./registry.ts";

Deno.test("metrics: bytes pushed are those that were stored, declared beforehand or not; each chunk's time is taken", () =>
  withRegistry(async ({ call, deps }) => {
    const opened = await call("POST", "/v2/acme/app/blobs/uploads/");
    const location = opened.headers.get("location") as string;
    // A stream is sent chunked: without Content-Length.
    const patched = await call("PATCH", location, { body: new Blob(["12345"]).stream() });
    assert.equal(patched.status, 202);
    const finished = await call("PUT", `${location}?digest=${digestOf("12345")}`);
    assert.equal(finished.status, 201);
    const whole = await call("POST", `/v2/acme/app/blobs/uploads/?digest=${digestOf("abc")}`, {
      body: "abc",
    });
    assert.equal(whole.status, 201);

    const text = await renderMetrics([await deps.metrics.snapshot()]);
    assert.match(text, /^quay_registry_image_pushed_bytes_total 8$/m);
    assert.match(text, /^quay_chunk_upload_duration_seconds_count\{region="default"\} 2$/m);
  }));

import { expect } from "@std/testing";
import { createMetrics, METRICS_CONTENT_TYPE, renderMetrics, successLabel } from "./metrics.ts";
import { MAX_SERIES } from "./series.ts";

Deno.test("renderMetrics() adds up the threads' snapshots, posted as plain data", async () => {
  const [one, two] = [createMetrics(), createMetrics()];
  one.imagePulls.labels("v2", "tag", "200").inc();
  two.imagePulls.labels("v2", "tag", "200").inc(2);
  two.imagePulls.labels("v2", "manifest", "404").inc();
  one.pushedBytes.labels().inc(10);
  one.repositoryRows.labels().set(7);
  one.requestDuration.labels("GET", "tags", "200").observe(.3);
  two.requestDuration.labels("GET", "tags", "200").observe(30);
  one.authenticationAttempts.labels("basic", successLabel(false)).inc();
  const text = await renderMetrics([
    structuredClone(await one.snapshot()),
    structuredClone(await two.snapshot()),
  ]);
  for (
    const line of [
      `quay_registry_image_pulls_total{protocol="v2",ref="tag",status="200"} 3`,
      `quay_registry_image_pulls_total{protocol="v2",ref="manifest",status="404"} 1`,
      "quay_registry_image_pushed_bytes_total 10",
      "quay_repository_rows 7",
      `quay_request_duration_seconds_bucket{method="GET",route="tags",status="200",le="0.25"} 0`,
      `quay_request_duration_seconds_bucket{method="GET",route="tags",status="200",le="0.5"} 1`,
      `quay_request_duration_seconds_bucket{method="GET",route="tags",status="200",le="+Inf"} 2`,
      `quay_request_duration_seconds_sum{method="GET",route="tags",status="200"} 30.3`,
      `quay_request_duration_seconds_count{method="GET",route="tags",status="200"} 2`,
      `quay_authentication_attempts_total{auth_kind="basic",success="False"} 1`,
      "# TYPE quay_request_duration_seconds histogram",
    ]
  ) expect(text.split("\n")).toContain(line);
});

Deno.test("renderMetrics() tells the process's own state once", async () => {
  const text = await renderMetrics([await createMetrics().snapshot(), await createMetrics().snapshot()]);
  for (
    const name of [
      "cpu_seconds_total",
      "resident_memory_bytes",
      "virtual_memory_bytes",
      "open_fds",
      "max_fds",
    ]
  ) {
    const found = text.match(new RegExp(`^process_${name} (\\d.*)$`, "mg"));
    expect(found).toHaveLength(1);
  }
  const startSeconds = Number(text.match(/^process_start_time_seconds (\S+)$/m)?.[1]);
  expect(Math.abs(startSeconds - Date.now() / 1000)).toBeLessThan(3600);
});

Deno.test("renderMetrics() escapes label values", async () => {
  const metrics = createMetrics();
  metrics.imagePushes.labels("v2", "201", 'a"b\\c\nd').inc();
  expect(await renderMetrics([await metrics.snapshot()])).toContain('media_type="a\\"b\\\\c\\nd"');
});

Deno.test("renderMetrics() leaves out a thread that has nothing yet", async () => {
  expect(await renderMetrics([{}, await createMetrics().snapshot()])).toContain(
    "quay_registry_image_pushed_bytes_total 0",
  );
});

Deno.test("createMetrics() a label gone wild is added up as `other`", async () => {
  const metrics = createMetrics();
  for (let i = 0; i < MAX_SERIES + 500; i++) metrics.imagePushes.labels("v2", "400", `type-${i}`).inc();
  const { values } = (await metrics.snapshot()).find((m) => m.name === "quay_registry_image_pushes_total")!;
  expect(values).toHaveLength(MAX_SERIES + 1);
  expect(values.at(-1)).toEqual({
    labels: { protocol: "other", status: "other", media_type: "other" },
    value: 500,
  });
});

Deno.test("METRICS_CONTENT_TYPE is Prometheus's text format", () => {
  expect(METRICS_CONTENT_TYPE).toBe("text/plain; version=0.0.4; charset=utf-8");
});

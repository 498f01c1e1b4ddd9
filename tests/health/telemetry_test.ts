import assert from "node:assert/strict";
import { expect } from "@std/testing";
import { testServer, withDatabase } from "../database.ts";

interface OtlpSpan {
  name: string;
  spanId: string;
  parentSpanId: string;
  traceId: string;
  status: { code?: number };
  attributes: { key: string; value: { stringValue?: string } }[];
}

/** Runs the traced program against a collector that takes OTLP as JSON, and returns the spans it was sent. */
async function collectSpans(place: string): Promise<OtlpSpan[]> {
  const spans: OtlpSpan[] = [];
  const collector = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const body = await request.json();
    if (new URL(request.url).pathname === "/v1/traces") {
      for (const resource of body.resourceSpans) {
        for (const scope of resource.scopeSpans) spans.push(...scope.spans);
      }
    }
    return Response.json({});
  });
  try {
    const program = new URL("./traced_program.ts", import.meta.url).pathname;
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", program, place],
      env: {
        OTEL_DENO: "true",
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.addr.port}`,
      },
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
  } finally {
    await collector.shutdown();
  }
  return spans;
}

Deno.test("OTEL_*: request, SQL and storage arrive at an OTLP collector as one trace", async () => {
  await withDatabase(async (_sql, database) => {
    const spans = await collectSpans(JSON.stringify([await testServer(), database]));
    const find = (name: string, text?: string) => {
      const found = spans.find((span) =>
        span.name === name &&
        (text === undefined || span.attributes.some(({ value }) => value.stringValue?.includes(text)))
      );
      assert.ok(found, `no span ${name} ${text ?? ""} among ${spans.map((span) => span.name).join(", ")}`);
      return found;
    };
    const request = find("GET tags.list");
    const domain = find("domain listTags");
    expect(domain.parentSpanId).toBe(request.spanId);
    expect(find("sql select", "as tag $1").parentSpanId).toBe(domain.spanId);
    const begin = find("sql begin");
    expect(begin.parentSpanId).toBe(domain.spanId);
    expect(find("sql select", "select 2").parentSpanId).toBe(begin.spanId);
    expect(find("sql select", "select 3").parentSpanId).toBe(begin.spanId);
    expect(find("sql select", "select broken").status.code).toBe(2);
    expect(find("storage stat", "sha256/ab/abcd").parentSpanId).toBe(domain.spanId);
    const ours = spans.filter((span) => span.traceId === request.traceId && !/^GET$/.test(span.name));
    expect(ours).toHaveLength(8);
  });
});

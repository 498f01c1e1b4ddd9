import { type Attributes, isSpanContextValid, type Span, SpanStatusCode, trace } from "@opentelemetry/api";

/**
 * OpenTelemetry traces: request -> SQL -> storage. Deno itself exports them over OTLP when the process is started
 * with `OTEL_DENO=true` and `OTEL_EXPORTER_OTLP_ENDPOINT`; it also makes the server span of each request, so that
 * what is opened here becomes its child. Without it nothing here costs more than one comparison.
 */
let exporting: boolean | undefined;

/** Whether spans go anywhere; settled at the first call, since a provider is there from the start or never. */
export function isTracing(): boolean {
  return exporting ??= isSpanContextValid(trace.getTracer("quaylet").startSpan("probe").spanContext());
}

/**
 * Runs `fn` inside a span that ends with it; a failure marks the span and is thrown on.
 * @param attributes never secrets: they leave the machine
 */
export function withSpan<T>(name: string, attributes: Attributes, fn: () => T): T {
  if (!isTracing()) return fn();
  return trace.getTracer("quaylet").startActiveSpan(name, { attributes }, (span) => endWith(span, fn));
}

/** Adds to the span that is open now, if any. */
export function setSpanAttributes(attributes: Attributes): void {
  if (isTracing()) trace.getActiveSpan()?.setAttributes(attributes);
}

function endWith<T>(span: Span, fn: () => T): T {
  let result: T;
  try {
    result = fn();
  } catch (error) {
    fail(span, error);
    throw error;
  }
  if (!isThenable(result)) {
    span.end();
    return result;
  }
  // Passing on what was thrown is the caller's promise; this one only ends the span.
  return result.then((value) => {
    span.end();
    return value;
  }, (error) => {
    fail(span, error);
    throw error;
  }) as T;
}

/** Names the failure by its class only: messages of the database quote rows. */
function fail(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : "failure" });
  span.end();
}

function isThenable(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}

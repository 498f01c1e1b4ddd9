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

/**
 * Names the server span that Deno made for the request, once its route is known. That span also holds the whole URL,
 * and nothing can take it away again: no surface of ours may take a secret in a query.
 */
export function nameRequestSpan(name: string, attributes: Attributes): void {
  trace.getActiveSpan()?.updateName(name).setAttributes(attributes);
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

/** What is known of a postgres.js query without importing it. */
interface LazyQuery extends Promise<unknown> {
  readonly executed: boolean;
  readonly strings: readonly string[];
  handle(): Promise<void>;
}

/**
 * `pool` with a span for each statement that really runs (fragments do not), in transactions too. The span carries
 * the statement's text with its placeholders, never a value. Use it only where {@link isTracing}.
 */
export function tracedPool<P extends object>(pool: P): P {
  return new Proxy(pool, {
    apply: (target, self, args) => traceQuery(Reflect.apply(target as never, self, args)),
    get(target, key) {
      const value = memberOf(target, key);
      if (key === "unsafe" || key === "file") {
        return (...args: unknown[]) => traceQuery(value.apply(target, args));
      }
      if (key !== "begin" && key !== "savepoint") return value;
      // The function that runs in the transaction comes last, behind options or a savepoint's name.
      return (...args: unknown[]) => {
        const run = args.at(-1) as (transaction: object) => unknown;
        const traced = (transaction: object) => run(tracedPool(transaction));
        return withSpan(
          `sql ${key}`,
          { "db.system.name": "postgresql" },
          () => value.apply(target, [...args.slice(0, -1), traced]),
        );
      };
    },
  });
}

function traceQuery(made: unknown): unknown {
  if (typeof (made as LazyQuery | undefined)?.handle !== "function") return made;
  const query = made as LazyQuery;
  const handle = query.handle;
  query.handle = function () {
    if (query.executed) return handle.call(query);
    const text = query.strings.reduce((all, part, i) => i === 0 ? part : `${all}$${i}${part}`).replace(
      /\s+/g,
      " ",
    ).trim();
    const attributes = { "db.system.name": "postgresql", "db.query.text": text.slice(0, 1000) };
    const span = trace.getTracer("quaylet").startSpan(`sql ${text.split(" ", 1)[0]?.toLowerCase()}`, {
      attributes,
    });
    Promise.prototype.then.call(query, () => span.end(), (error) => fail(span, error));
    return handle.call(query);
  };
  return query;
}

// deno-lint-ignore no-explicit-any -- whatever the proxied object has there
function memberOf(target: object, key: PropertyKey): any {
  return Reflect.get(target, key);
}

/** `driver` with a span for each call; a read's span ends when its stream is open. */
export function tracedStorage<D extends object>(driver: D, location: string): D {
  return new Proxy(driver, {
    get(target, key) {
      const value = memberOf(target, key);
      if (typeof value !== "function" || typeof key !== "string") return value;
      return (...args: unknown[]) => {
        const storageKey = typeof args[0] === "string" ? { "quaylet.storage.key": args[0] } : {};
        return withSpan(
          `storage ${key}`,
          { "quaylet.storage.location": location, ...storageKey },
          () => value.apply(target, args),
        );
      };
    },
  });
}

/**
 * Counters, gauges and histograms as plain numbers, cheap enough for the hottest request: `labels()` finds a
 * series once, `inc` and `observe` are additions. `snapshot()` renders the JSON that prom-client aggregates.
 */
export interface Counter {
  /** @param amount not negative; 1 without it */
  inc(amount?: number): void;
}
export interface Gauge {
  set(value: number): void;
  add(amount: number): void;
}
export interface Histogram {
  /** @param value in the unit that the metric's name says */
  observe(value: number): void;
}

/** One metric: a series for each combination of label values. `L` is the tuple of label names. */
export interface Family<L extends readonly string[], S> {
  /**
   * The series of these label values, in the order of the metric's label names; keep it where they are known
   * beforehand. Values must come from a small closed set: never names, paths or addresses.
   */
  labels(...values: { [K in keyof L]: string }): S;
}

/** A {@link Family} whose series come and go with what they tell of. */
export interface GaugeFamily<L extends readonly string[]> extends Family<L, Gauge> {
  forget(...values: { [K in keyof L]: string }): void;
}

/** prom-client's JSON of one metric. */
export interface MetricSnapshot {
  name: string;
  help: string;
  type: "counter" | "gauge" | "histogram";
  aggregator: "sum";
  values: { labels: Record<string, string | number>; value: number; metricName?: string }[];
}

/** A metric that can tell its state. */
export interface Snapshotting {
  snapshot(): MetricSnapshot;
}

/** Quay's (the Python client's) buckets, seconds. */
export const DEFAULT_BUCKETS = [
  .005,
  .01,
  .025,
  .05,
  .075,
  .1,
  .25,
  .5,
  .75,
  1,
  2.5,
  5,
  7.5,
  10,
] as const;

/** Beyond this many series a metric adds up the rest under `other`: a label gone wild must not eat the memory. */
export const MAX_SERIES = 2000;

/** Finds the series of label values, creating it with `create`. */
function seriesMap<S>(labelNames: readonly string[], create: () => S) {
  const all = new Map<string, { labels: Record<string, string>; series: S }>();
  const add = (key: string, values: readonly string[]): S => {
    const labels = Object.fromEntries(labelNames.map((name, i) => [name, values[i] ?? ""]));
    const series = create();
    all.set(key, { labels, series });
    return series;
  };
  const find = (...values: readonly string[]): S => {
    const key = values.length === 1 ? values[0]! : values.join("\0");
    const known = all.get(key);
    if (known) return known.series;
    if (all.size < MAX_SERIES) return add(key, values);
    const rest = labelNames.map(() => "other");
    const restKey = rest.join("\0");
    return all.get(restKey)?.series ?? add(restKey, rest);
  };
  const forget = (...values: readonly string[]) => void all.delete(values.join("\0"));
  return { find, forget, entries: () => all.values() };
}

/** A counter; one without labels starts at 0, so that rates work from the first scrape. */
export function counterFamily<const L extends readonly string[]>(
  name: string,
  help: string,
  labelNames: L,
): Family<L, Counter> & Snapshotting {
  const series = seriesMap(labelNames, () => ({
    value: 0,
    inc(amount = 1) {
      this.value += amount;
    },
  }));
  if (labelNames.length === 0) series.find();
  return {
    labels: series.find,
    snapshot: () => ({
      name,
      help,
      type: "counter",
      aggregator: "sum",
      values: [...series.entries()].map((e) => ({ labels: e.labels, value: e.series.value })),
    }),
  };
}

/** A gauge; absent until it is first set, and added up over the threads. */
export function gaugeFamily<const L extends readonly string[]>(
  name: string,
  help: string,
  labelNames: L,
): GaugeFamily<L> & Snapshotting {
  const series = seriesMap(labelNames, () => ({
    value: 0,
    set(value: number) {
      this.value = value;
    },
    add(amount: number) {
      this.value += amount;
    },
  }));
  return {
    labels: series.find,
    forget: series.forget,
    snapshot: () => ({
      name,
      help,
      type: "gauge",
      aggregator: "sum",
      values: [...series.entries()].map((e) => ({ labels: e.labels, value: e.series.value })),
    }),
  };
}

/** A histogram with upper bounds `buckets`, ascending; +Inf is added. */
export function histogramFamily<const L extends readonly string[]>(
  name: string,
  help: string,
  labelNames: L,
  buckets: readonly number[] = DEFAULT_BUCKETS,
): Family<L, Histogram> & Snapshotting {
  const series = seriesMap(labelNames, () => ({
    sum: 0,
    counts: new Array<number>(buckets.length + 1).fill(0),
    observe(value: number) {
      let i = 0;
      while (i < buckets.length && value > buckets[i]!) i++;
      this.counts[i]!++;
      this.sum += value;
    },
  }));
  return {
    labels: series.find,
    snapshot: () => {
      const values: MetricSnapshot["values"] = [];
      for (const { labels, series: { counts, sum } } of series.entries()) {
        let total = 0;
        counts.forEach((count, i) => {
          total += count;
          values.push({
            labels: { ...labels, le: buckets[i] ?? "+Inf" },
            value: total,
            metricName: `${name}_bucket`,
          });
        });
        values.push({ labels, value: sum, metricName: `${name}_sum` });
        values.push({ labels, value: total, metricName: `${name}_count` });
      }
      return { name, help, type: "histogram", aggregator: "sum", values };
    },
  };
}

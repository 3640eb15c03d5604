import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** A number read at the moment somebody asks, with labels where there are several. */
export interface Measure {
  /** @example 'dondoc_outbox_rows' */
  name: string;
  help: string;
  labels: readonly string[];
  read(): Promise<readonly { labels: Record<string, string>; value: number }[]>;
}

/** What `/metrics` answers. */
export interface Metrics {
  contentType: string;
  render(): Promise<string>;
}

/** Figures of the process and the given measures, in Prometheus' text format. A measure that fails is left out; the others are shown. */
export function createMetrics(measures: readonly Measure[]): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const measure of measures) {
    new Gauge({
      name: measure.name, help: measure.help, labelNames: [...measure.labels], registers: [registry],
      async collect() {
        const values = await measure.read().catch(() => []);
        this.reset();
        for (const { labels, value } of values) this.set(labels, value);
      },
    });
  }
  return { contentType: registry.contentType, render: () => registry.metrics() };
}

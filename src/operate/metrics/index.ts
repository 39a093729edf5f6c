/**
 * What a server counts, for Prometheus, and whether it is well.
 *
 * ```ts
 * const metrics = await ServerMetrics.open({ paths: ['/token', '/introspect'], profiles: { coap_oscore: 2 }, stats: () => as.stats() });
 * const health = healthCheck({ store, env, state: () => undefined });
 * await serveMetrics({ address: '127.0.0.1', port: 9464, scrape: () => metrics.scrape(), health });
 * ```
 */
export { endpointOf } from './endpoint.ts';
export { type HealthOptions, healthCheck } from './health.ts';
export { MetricsError, type MetricsServer, type MetricsServerOptions, serveMetrics } from './http.ts';
export { measuredStore, type ObserveStore, type StoreOperation } from './measured-store.ts';
export { ServerMetrics, type ServerMetricsOptions, type SessionEvent } from './server-metrics.ts';

/**
 * Spatial localization services of SEAL over CoAP (TS 33.434 v19, 6.1; TS 23.437): spatial anchors and spatial maps, in `application/cbor`.
 */
export type { SpatialLimits } from './collection.ts';
export type { PageSize } from './discovery.ts';
export { SpatialService, type SpatialServiceOptions } from './service.ts';

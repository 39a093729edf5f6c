/**
 * Configuration management of SEAL over CoAP (TS 24.546, Annex C): the SU_UserProfile and SU_UeConfig APIs, in `application/cbor`.
 */
export type { CollectionLimits } from './collection.ts';
export { ConfigurationService, type ConfigurationServiceOptions } from './service.ts';

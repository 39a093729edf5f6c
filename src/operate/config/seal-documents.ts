import type { ConfigPath } from './error.ts';
import type { ConfigFile } from './file.ts';
import type { RateConfig } from './operations.ts';
import { type Entries, optional, type Schema, section, whole } from './schema.ts';

/** What bounds the documents of one kind. */
interface RawLimits {
  readonly documents?: number;
  readonly per_owner?: number;
  readonly document_bytes?: number;
  readonly total_bytes?: number;
}

interface RawRate {
  readonly burst: number;
  readonly per_second: number;
}

interface RawService {
  readonly max_age?: number;
  readonly rate?: RawRate;
}

export interface RawConfigurationService extends RawService {
  readonly limits?: RawLimits & { readonly listed?: number };
}

export interface RawSpatialService extends RawService {
  readonly anchors?: RawLimits;
  readonly maps?: RawLimits;
  readonly page?: { readonly usual: number; readonly most: number };
}

/** What bounds the documents of one kind. */
export interface LimitsConfig {
  readonly documents?: number;
  readonly perOwner?: number;
  /** Bytes of one document. */
  readonly document?: number;
  /** Bytes of all documents. */
  readonly bytes?: number;
}

/** What services of documents have in common. */
export interface ServiceConfig {
  /** Seconds for which a representation is fresh. */
  readonly maxAge?: number;
  /** For the requests of one token. */
  readonly rate?: RateConfig;
}

/** `seal.services.configuration`: user profiles and UE configurations. */
export interface ConfigurationServiceConfig extends ServiceConfig {
  readonly limits?: LimitsConfig & { readonly listed?: number };
}

/** `seal.services.spatial`: spatial anchors and spatial maps. */
export interface SpatialServiceConfig extends ServiceConfig {
  readonly limits?: { readonly anchors?: LimitsConfig; readonly maps?: LimitsConfig };
  readonly page?: { readonly usual: number; readonly most: number };
}

const mostDocuments = 1_000_000;
/** The store takes values of 1 MiB; what a document is kept with needs some of that. */
const largestDocument = 1_000_000;
const mostBytes = 0x1_0000_0000;

const limitEntries: Entries = {
  documents: optional(whole(1, mostDocuments, 'documents')),
  per_owner: optional(whole(1, mostDocuments, 'documents')),
  document_bytes: optional(whole(1, largestDocument, 'bytes')),
  total_bytes: optional(whole(1, mostBytes, 'bytes')),
};
const limits: Schema<RawLimits> = section('limits: documents, per_owner, document_bytes, total_bytes', limitEntries);
const listed = { ...limitEntries, listed: optional(whole(1, mostDocuments, 'documents')) };
const serviceEntries: Entries = {
  max_age: optional(whole(0, 86_400, 'seconds')),
  rate: optional(section('a rate: burst, per_second', { burst: whole(1, 1_000_000, 'requests'), per_second: whole(1, 1_000_000, 'requests') })),
};

export const configurationServiceSchema: Schema<RawConfigurationService> = section('configuration management: max_age, rate, limits', {
  ...serviceEntries,
  limits: optional(section('limits: documents, per_owner, document_bytes, total_bytes, listed', listed)),
});

export const spatialServiceSchema: Schema<RawSpatialService> = section('spatial anchors and maps: max_age, rate, anchors, maps, page', {
  ...serviceEntries,
  anchors: optional(limits),
  maps: optional(limits),
  page: optional(section('a page: usual, most', { usual: whole(1, 1000, 'objects'), most: whole(1, 1000, 'objects') })),
});

function serviceOf({ max_age: maxAge, rate }: RawService): ServiceConfig {
  return { ...(maxAge !== undefined && { maxAge }), ...(rate && { rate: { burst: rate.burst, rate: rate.per_second } }) };
}

function limitsOf({ documents, per_owner: perOwner, document_bytes: document, total_bytes: bytes }: RawLimits): LimitsConfig {
  return {
    ...(documents !== undefined && { documents }),
    ...(perOwner !== undefined && { perOwner }),
    ...(document !== undefined && { document }),
    ...(bytes !== undefined && { bytes }),
  };
}

export function readConfigurationService({ limits, ...raw }: RawConfigurationService): ConfigurationServiceConfig {
  return { ...serviceOf(raw), ...(limits && { limits: { ...limitsOf(limits), ...(limits.listed !== undefined && { listed: limits.listed }) } }) };
}

/** @param at - where the section stands in the file */
export function readSpatialService(file: ConfigFile, { anchors, maps, page, ...raw }: RawSpatialService, at: ConfigPath): SpatialServiceConfig {
  if (page && page.usual > page.most) file.problem([...at, 'page', 'usual'], `expected at most ${page.most}, which is most, got ${page.usual}`);
  const bounds = { ...(anchors && { anchors: limitsOf(anchors) }), ...(maps && { maps: limitsOf(maps) }) };
  return { ...serviceOf(raw), ...(Object.keys(bounds).length > 0 && { limits: bounds }), ...(page && { page }) };
}

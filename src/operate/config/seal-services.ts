import { optional, type Schema, section, whole } from './schema.ts';

/** The services of a SEAL server, each with a section of its own. */
export interface RawSealServices {
  readonly configuration?: RawSealDocuments;
  readonly spatial?: RawSealDocuments;
}

export interface RawSealDocuments {
  readonly max_age?: number;
}

export interface SealServicesConfig {
  readonly configuration?: SealDocumentsConfig;
  readonly spatial?: SealDocumentsConfig;
}

export interface SealDocumentsConfig {
  /** Seconds for which a representation is fresh. */
  readonly maxAge?: number;
}

const documents: Schema<RawSealDocuments> = section('a service with documents: max_age', { max_age: optional(whole(0, 86_400, 'seconds')) });

export const sealServicesSchema: Schema<RawSealServices> = section('services of a SEAL server', {
  configuration: optional(documents),
  spatial: optional(documents),
});

function documentsOf({ max_age: maxAge }: RawSealDocuments): SealDocumentsConfig {
  return maxAge === undefined ? {} : { maxAge };
}

export function readSealServices({ configuration, spatial }: RawSealServices = {}): SealServicesConfig {
  return {
    ...(configuration !== undefined && { configuration: documentsOf(configuration) }),
    ...(spatial !== undefined && { spatial: documentsOf(spatial) }),
  };
}

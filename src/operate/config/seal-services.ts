import type { ConfigFile } from './file.ts';
import { optional, type Schema, section, whole } from './schema.ts';
import { type KeyManagementConfig, keyManagementSchema, type RawKeyManagement, readKeyManagement } from './seal-key-management.ts';

/** The services of a SEAL server, each with a section of its own. */
export interface RawSealServices {
  readonly configuration?: RawSealDocuments;
  readonly spatial?: RawSealDocuments;
  readonly key_management?: RawKeyManagement;
}

export interface RawSealDocuments {
  readonly max_age?: number;
}

export interface SealServicesConfig {
  readonly configuration?: SealDocumentsConfig;
  readonly spatial?: SealDocumentsConfig;
  readonly keyManagement?: KeyManagementConfig;
}

export interface SealDocumentsConfig {
  /** Seconds for which a representation is fresh. */
  readonly maxAge?: number;
}

const documents: Schema<RawSealDocuments> = section('a service with documents: max_age', { max_age: optional(whole(0, 86_400, 'seconds')) });

export const sealServicesSchema: Schema<RawSealServices> = section('services of a SEAL server', {
  configuration: optional(documents),
  spatial: optional(documents),
  key_management: optional(keyManagementSchema),
});

function documentsOf({ max_age: maxAge }: RawSealDocuments): SealDocumentsConfig {
  return maxAge === undefined ? {} : { maxAge };
}

export function readSealServices(file: ConfigFile, raw: RawSealServices = {}): SealServicesConfig {
  const { configuration, spatial, key_management: keyManagement } = raw;
  return {
    ...(configuration !== undefined && { configuration: documentsOf(configuration) }),
    ...(spatial !== undefined && { spatial: documentsOf(spatial) }),
    ...(keyManagement !== undefined && { keyManagement: readKeyManagement(file, keyManagement, ['seal', 'services', 'key_management']) }),
  };
}

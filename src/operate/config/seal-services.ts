import type { ConfigFile } from './file.ts';
import { optional, type Schema, section } from './schema.ts';
import {
  type ConfigurationServiceConfig,
  configurationServiceSchema,
  type RawConfigurationService,
  type RawSpatialService,
  readConfigurationService,
  readSpatialService,
  type SpatialServiceConfig,
  spatialServiceSchema,
} from './seal-documents.ts';
import { type KeyManagementConfig, keyManagementSchema, type RawKeyManagement, readKeyManagement } from './seal-key-management.ts';
import { type Msgin5gConfig, msgin5gSchema, type RawMsgin5g, readMsgin5g } from './seal-msgin5g.ts';

/** The services of a SEAL server, each with a section of its own. */
export interface RawSealServices {
  readonly configuration?: RawConfigurationService;
  readonly spatial?: RawSpatialService;
  readonly key_management?: RawKeyManagement;
  readonly msgin5g?: RawMsgin5g;
}

/** Services that come with the program; absent: the SEAL server does not offer it. */
export interface SealServicesConfig {
  readonly configuration?: ConfigurationServiceConfig;
  readonly spatial?: SpatialServiceConfig;
  readonly keyManagement?: KeyManagementConfig;
  readonly msgin5g?: Msgin5gConfig;
}

export const sealServicesSchema: Schema<RawSealServices> = section('services of a SEAL server', {
  configuration: optional(configurationServiceSchema),
  spatial: optional(spatialServiceSchema),
  key_management: optional(keyManagementSchema),
  msgin5g: optional(msgin5gSchema),
});

export function readSealServices(file: ConfigFile, raw: RawSealServices = {}): SealServicesConfig {
  const { configuration, spatial, key_management: keyManagement, msgin5g } = raw;
  return {
    ...(configuration !== undefined && { configuration: readConfigurationService(configuration) }),
    ...(spatial !== undefined && { spatial: readSpatialService(file, spatial, ['seal', 'services', 'spatial']) }),
    ...(keyManagement !== undefined && { keyManagement: readKeyManagement(file, keyManagement, ['seal', 'services', 'key_management']) }),
    ...(msgin5g !== undefined && { msgin5g: readMsgin5g(file, ['seal', 'services', 'msgin5g'], msgin5g) }),
  };
}

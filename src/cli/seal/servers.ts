import {
  ConfigurationService,
  keyManagement,
  recordsFile,
  SealedRecords,
  SealServer,
  type SealService,
  SimS,
  SpatialService,
} from '../../../profiles/seal/index.ts';
import type { AuthorizationServer, AuthorizationServerOptions } from '../../as/index.ts';
import type { Transport } from '../../coap/index.ts';
import type { KeyManagementConfig, SealAsConfig, SealRsConfig, ServiceEvent } from '../../operate/index.ts';
import type { ResourceServerOptions } from '../../rs/index.ts';
import type { Store } from '../../store/index.ts';

/** The SIM-S of a configuration, which was checked to have an issuer. */
export function simSOf(seal: SealAsConfig, options: AuthorizationServerOptions): SimS {
  return new SimS({ ...options, ...seal, issuer: options.issuer! });
}

/** Put the VAL users, VAL UEs and VAL servers of another configuration in the place of those that a SIM-S has. */
export function reprovision(server: AuthorizationServer, { identities }: SealAsConfig): void {
  if (server instanceof SimS) server.identities.configure(identities);
}

/** The SEAL server of a configuration, with the services that it offers. */
export async function sealServerOf(
  { services, ...seal }: SealRsConfig,
  { issuers, ...options }: ResourceServerOptions,
  { transports, emit }: SealParts,
): Promise<SealServer> {
  const offered = [...servicesOf(services, options.store, emit)];
  if (services.msgin5g !== undefined) offered.push(await (await import('./akma/service.ts')).msgin5gService(services.msgin5g, transports, emit));
  return new SealServer({ ...options, ...seal, simS: issuers[0]!, services: offered });
}

type Emit = (event: ServiceEvent) => void;

interface SealParts {
  readonly transports: readonly Transport[];
  readonly emit: Emit;
}

function servicesOf({ configuration, spatial, keyManagement }: SealRsConfig['services'], store: Store, emit: Emit): readonly SealService[] {
  return [
    ...(configuration === undefined ? [] : [new ConfigurationService({ ...configuration, store })]),
    ...(spatial === undefined ? [] : [new SpatialService({ ...spatial, store })]),
    ...(keyManagement === undefined ? [] : [keyManagementOf(keyManagement, store, emit)]),
  ];
}

function keyManagementOf({ recordKey, recordsFile: file, ...options }: KeyManagementConfig, store: Store, emit: Emit): SealService {
  return keyManagement({
    ...options,
    records: new SealedRecords(file === undefined ? store : recordsFile(file), recordKey),
    emit: (event) => emit({ type: 'service', service: 'key-management', event }),
  });
}

import {
  ConfigurationService,
  KeyManagementServer,
  keyManagement,
  recordsFile,
  SealedRecords,
  SealServer,
  SimS,
  SpatialService,
} from '../../../profiles/seal/index.ts';
import type { AuthorizationServer, AuthorizationServerOptions } from '../../as/index.ts';
import type { Transport } from '../../coap/index.ts';
import type { KeyManagementConfig, SealAsConfig, SealRsConfig, ServiceEvent } from '../../operate/index.ts';
import type { ResourceServerOptions } from '../../rs/index.ts';
import type { Store } from '../../store/index.ts';
import type { BothFaces } from './https/both-faces.ts';
import type { SharedServices } from './https/server.ts';

/** The SIM-S of a configuration, which was checked to have an issuer. */
export function simSOf(seal: SealAsConfig, options: AuthorizationServerOptions): SimS {
  return new SimS({ ...options, ...seal, issuer: options.issuer! });
}

/** Put the VAL users, VAL UEs and VAL servers of another configuration in the place of those that a SIM-S has. */
export function reprovision(server: AuthorizationServer, { identities }: SealAsConfig): void {
  if (server instanceof SimS) server.identities.configure(identities);
}

/** The SEAL server of a configuration, with the services that it offers; on both of its faces, where it has two. */
export async function sealServerOf(
  { services, https, ...seal }: SealRsConfig,
  { issuers, ...options }: ResourceServerOptions,
  { transports, emit }: SealParts,
): Promise<SealServer | BothFaces> {
  const shared = sharedOf(services, options.store, emit);
  const offered = [...shared.services, ...(shared.keyManagement === undefined ? [] : [keyManagement(shared.keyManagement)])];
  if (services.msgin5g !== undefined) offered.push(await (await import('./akma/service.ts')).msgin5gService(services.msgin5g, transports, emit));
  const server = new SealServer({ ...options, ...seal, simS: issuers[0]!, services: offered });
  if (https === undefined) return server;
  const [{ HttpsFace }, { BothFaces }] = await Promise.all([import('./https/server.ts'), import('./https/both-faces.ts')]);
  const audience = [options.audience].flat()[0]!;
  return new BothFaces(server, new HttpsFace(https, shared, { audience, valSystem: seal.valSystem, leeway: options.leeway ?? 0, emit }));
}

type Emit = (event: ServiceEvent) => void;

interface SealParts {
  readonly transports: readonly Transport[];
  readonly emit: Emit;
}

function sharedOf({ configuration, spatial, keyManagement: km }: SealRsConfig['services'], store: Store, emit: Emit): SharedServices {
  return {
    services: [
      ...(configuration === undefined ? [] : [new ConfigurationService({ ...configuration, store })]),
      ...(spatial === undefined ? [] : [new SpatialService({ ...spatial, store })]),
    ],
    ...(km === undefined ? {} : { keyManagement: { server: keyManagementServerOf(km, store, emit), path: km.path ?? '/km' } }),
  };
}

function keyManagementServerOf({ recordKey, recordsFile: file, ...options }: KeyManagementConfig, store: Store, emit: Emit): KeyManagementServer {
  return new KeyManagementServer({
    ...options,
    records: new SealedRecords(file === undefined ? store : recordsFile(file), recordKey),
    emit: (event) => emit({ type: 'service', service: 'key-management', event }),
  });
}

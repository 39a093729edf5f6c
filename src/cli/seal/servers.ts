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
import type { AuthorizationServer, AuthorizationServerOptions, PeerChanges } from '../../as/index.ts';
import type { Transport } from '../../coap/index.ts';
import type { AsConfig, KeyManagementConfig, SealAsConfig, SealRsConfig, ServerEvent, ServiceEvent } from '../../operate/index.ts';
import type { ResourceServerOptions } from '../../rs/index.ts';
import type { Store } from '../../store/index.ts';
import type { Face, SealFaces } from './faces.ts';
import type { SharedServices } from './https/server.ts';
import type { SimSFaces } from './https/sim-s-faces.ts';

/** The SIM-S of a configuration, which was checked to have an issuer, with its face over HTTPS if it has one. */
export async function simSOf(
  { https, ...seal }: SealAsConfig,
  options: AuthorizationServerOptions,
  emit: (event: ServerEvent) => void,
): Promise<SimS | SimSFaces> {
  const simS = new SimS({ ...options, ...seal, issuer: options.issuer! });
  if (https === undefined) return simS;
  const { SimSFaces } = await import('./https/sim-s-faces.ts');
  return new SimSFaces({ simS, https, store: options.store, refreshTokens: options.refreshTokens, emit });
}

/** Put what another configuration has in the place of what an authorization server has: peers, and the VAL users, VAL UEs and VAL servers of a SIM-S. */
export async function reconfigure(server: AuthorizationServer | SimSFaces, next: AsConfig): Promise<PeerChanges> {
  if ('places' in server) return server.reconfigure(next, next.seal);
  const changes = await server.reconfigure(next);
  if (server instanceof SimS && next.seal !== undefined) server.identities.configure(next.seal.identities);
  return changes;
}

/** The SEAL server of a configuration, with the services that it offers; on all of its faces, where it has several. */
export async function sealServerOf(
  { services, https, capif, ...seal }: SealRsConfig,
  { issuers, ...options }: ResourceServerOptions,
  { transports, emit }: SealParts,
): Promise<SealServer | SealFaces> {
  const shared = sharedOf(services, options.store, emit);
  const offered = [...shared.services, ...(shared.keyManagement === undefined ? [] : [keyManagement(shared.keyManagement)])];
  const faces: Face[] = [];
  if (services.msgin5g !== undefined) {
    const { registration, face } = await (await import('./akma/service.ts')).msgin5gService(services.msgin5g, transports, emit);
    offered.push(registration);
    if (face !== undefined) faces.push(face);
  }
  const server = new SealServer({ ...options, ...seal, simS: issuers[0]!, services: offered });
  if (https !== undefined) {
    const audience = [options.audience].flat()[0]!;
    const isRevoked = (hash: string): boolean => server.isRevoked(hash);
    const { HttpsFace } = await import('./https/server.ts');
    faces.push(new HttpsFace(https, shared, { audience, valSystem: seal.valSystem, leeway: options.leeway ?? 0, isRevoked, emit }));
  }
  if (capif !== undefined) faces.push(new (await import('./capif/face.ts')).CapifFace(capif, shared, emit));
  return faces.length === 0 ? server : new (await import('./faces.ts')).SealFaces(server, faces);
}

type Emit = (event: ServiceEvent) => void;

interface SealParts {
  readonly transports: readonly Transport[];
  readonly emit: (event: ServerEvent) => void;
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

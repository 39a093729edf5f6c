import {
  AanfClient,
  type AkmaEvent,
  ApplicationKeys,
  akmaTlsProtocol,
  type Msgin5gEvent,
  Msgin5gRegistration,
  type UeAssociations,
  ueAssociations,
} from '../../../../profiles/seal/akma/index.ts';
import type { Transport } from '../../../coap/index.ts';
import type { Msgin5gConfig, ServiceEvent } from '../../../operate/index.ts';
import type { DtlsTransport } from '../../../transport/index.ts';
import { UsageError } from '../../exit.ts';
import { openClient } from '../../session.ts';
import { Msgin5gTlsFace } from './tls-face.ts';

async function associationsOf({ associations = {}, configuration }: Msgin5gConfig): Promise<UeAssociations> {
  if (configuration === undefined) {
    const byUe = new Map(Object.entries(associations));
    return { serviceIdsOf: async (ueId) => byUe.get(ueId) ?? [] };
  }
  const client = await openClient(configuration.client);
  return {
    ...ueAssociations({ get: (uri) => client.fetch(uri, { scope: 'ue-configuration:read-all' }), uri: configuration.uri }),
    close: () => client.close(),
  };
}

/** The registration of MSGin5G clients, and where it is reached over TLS. */
export interface Msgin5gParts {
  readonly registration: Msgin5gRegistration;
  readonly face?: Msgin5gTlsFace;
}

/**
 * The service `msgin5g` of a SEAL server. UEs come in by the DTLS socket among the transports, by a listener of their own for TLS, or by both.
 *
 * @throws {UsageError} when there is neither
 */
export async function msgin5gService(config: Msgin5gConfig, transports: readonly Transport[], emit: (event: ServiceEvent) => void): Promise<Msgin5gParts> {
  const sessions = transports.find((transport): transport is DtlsTransport => transport.scheme === 'coaps');
  const { aanf: apiRoot, aanfTls, afId, identityPrefix, path, lifetime, tls } = config;
  if (sessions === undefined && tls === undefined)
    throw new UsageError(
      'seal.services.msgin5g: expected coaps among the addresses to listen on, or a section tls, since K_AF protects DTLS or TLS, got neither',
    );
  const tell = (event: AkmaEvent | Msgin5gEvent): void => emit({ type: 'service', service: 'msgin5g', event });
  const aanf = new AanfClient({ apiRoot, ...(aanfTls !== undefined && { tls: aanfTls }) });
  const keys = sessions && new ApplicationKeys({ aanf, afId, emit: tell });
  const tlsKeys = tls && new ApplicationKeys({ aanf, afId: { fqdn: afId.fqdn, protocol: akmaTlsProtocol(tls.suite) }, emit: tell });
  const registration = new Msgin5gRegistration({
    keys: [keys, tlsKeys].filter((one) => one !== undefined),
    ...(sessions && keys && { dtls: { sessions, keys, ...(identityPrefix !== undefined && { identityPrefix }) } }),
    associations: await associationsOf(config),
    emit: tell,
    ...(path !== undefined && { path }),
    ...(lifetime !== undefined && { lifetime }),
  });
  return { registration, ...(tls && tlsKeys && { face: new Msgin5gTlsFace(tls, tlsKeys, registration, identityPrefix) }) };
}

import {
  AanfClient,
  type AkmaEvent,
  ApplicationKeys,
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

/**
 * The service `msgin5g` of a SEAL server. UEs come in by the DTLS socket among the transports.
 *
 * @throws {UsageError} when there is none
 */
export async function msgin5gService(
  config: Msgin5gConfig,
  transports: readonly Transport[],
  emit: (event: ServiceEvent) => void,
): Promise<Msgin5gRegistration> {
  const sessions = transports.find((transport): transport is DtlsTransport => transport.scheme === 'coaps');
  if (sessions === undefined)
    throw new UsageError('seal.services.msgin5g: expected coaps among the addresses to listen on, since K_AF protects DTLS, got none');
  const tell = (event: AkmaEvent | Msgin5gEvent): void => emit({ type: 'service', service: 'msgin5g', event });
  const { aanf, afId, identityPrefix, path, lifetime } = config;
  const keys = new ApplicationKeys({ aanf: new AanfClient({ apiRoot: aanf }), afId, emit: tell });
  return new Msgin5gRegistration({
    keys: [keys],
    dtls: { sessions, keys, ...(identityPrefix !== undefined && { identityPrefix }) },
    associations: await associationsOf(config),
    emit: tell,
    ...(path !== undefined && { path }),
    ...(lifetime !== undefined && { lifetime }),
  });
}

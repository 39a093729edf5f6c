import {
  AanfClient,
  ApplicationKeys,
  akmaAuthenticator,
  akmaHint,
  akmaTlsProtocol,
  akmaTlsServer,
  Msgin5gRegistration,
  type Msgin5gRegistrationOptions,
  uaStarTls12,
} from '../../../../profiles/seal/akma/index.ts';
import { Endpoint, Router, type Transport } from '../../../coap/index.ts';
import { ProtocolError } from '../../../core/errors.ts';
import { dtls, type TlsPskSuite } from '../../../transport/index.ts';
import { UsageError } from '../../exit.ts';
import { nothingToReload, untilStopped } from '../../listen.ts';
import { loggerFor, type ServeFlags } from '../../serve.ts';

export interface Msgin5gServeFlags extends ServeFlags {
  readonly aanf: string;
  readonly fqdn: string;
  readonly ue: readonly string[];
  readonly listen?: readonly string[];
  readonly suite: TlsPskSuite;
  readonly identityPrefix?: string;
  readonly path?: string;
}

interface Place {
  readonly scheme: 'coaps' | 'coaps+tcp';
  readonly address: string;
  readonly port: number;
}

const usualPlaces = ['coaps+tcp://127.0.0.1:5687'];

/** `ace-coap seal msgin5g serve` */
export async function msgin5gServeCommand(flags: Msgin5gServeFlags): Promise<void> {
  const places = (flags.listen ?? usualPlaces).map(placeOf);
  for (const { scheme } of places)
    if (places.filter((place) => place.scheme === scheme).length > 1)
      throw new UsageError(`--listen: expected one address for each scheme, got several for ${scheme}`);
  if (flags.path !== undefined && !/^\/[^\s?#]*$/.test(flags.path)) throw new UsageError(`--path: expected a path that begins with "/", got "${flags.path}"`);
  const associations = associationsOf(flags.ue);
  const logger = loggerFor('msgin5g', flags);
  const tell: NonNullable<Msgin5gRegistrationOptions['emit']> = ({ type, ...fields }) => tellOf(logger, type, fields);
  const aanf = new AanfClient({ apiRoot: flags.aanf });
  const opened: { readonly keys: ApplicationKeys; readonly transport: Transport }[] = [];
  let endpoint: Endpoint | undefined;
  let registration: Msgin5gRegistration | undefined;
  try {
    for (const place of places) {
      const protocol = place.scheme === 'coaps' ? uaStarTls12(0xd001) : akmaTlsProtocol(flags.suite);
      const keys = new ApplicationKeys({ aanf, afId: { fqdn: flags.fqdn, protocol }, emit: ({ type, ...fields }) => tellOf(logger, type, fields) });
      opened.push({ keys, transport: await openOf(place, keys, flags) });
    }
    registration = new Msgin5gRegistration({
      keys: opened.map(({ keys }) => keys),
      associations: { serviceIdsOf: async (ueId) => associations.get(ueId) ?? [] },
      emit: tell,
      ...(flags.path === undefined ? {} : { path: flags.path }),
    });
    const router = new Router();
    registration.mount(router);
    const transports = opened.map(({ transport }) => transport);
    endpoint = new Endpoint({ transport: transports, handler: router.handler });
    await untilStopped('msgin5g', logger, transports, nothingToReload(logger));
  } finally {
    if (endpoint === undefined) for (const { transport } of opened) await transport.close();
    await endpoint?.close();
    await registration?.close();
  }
  logger.info({}, 'stopped');
}

function placeOf(text: string): Place {
  const [, scheme, v6, v4, digits] = /^(coaps|coaps\+tcp):\/\/(?:\[([0-9a-f:]+)\]|([\w.]+)):(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits);
  if (scheme === undefined || port > 65_535)
    throw new UsageError(`--listen: expected coaps:// or coaps+tcp:// with an address and a port, as coaps+tcp://127.0.0.1:5687, got "${text}"`);
  return { scheme: scheme.toLowerCase() as Place['scheme'], address: v4 === 'localhost' ? '127.0.0.1' : (v6 ?? v4)!, port };
}

function associationsOf(pairs: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const pair of pairs) {
    const [, ueId, serviceId] = /^([^=\s]+)=(\S+)$/.exec(pair) ?? [];
    if (ueId === undefined || serviceId === undefined)
      throw new UsageError(`--ue: expected a UE ID, "=" and a UE service ID, as imsi-001010000000001=meter1, got "${pair}"`);
    found.set(ueId, [...(found.get(ueId) ?? []), serviceId]);
  }
  return found;
}

async function openOf({ scheme, address, port }: Place, keys: ApplicationKeys, { suite, identityPrefix: prefix }: Msgin5gServeFlags): Promise<Transport> {
  try {
    if (scheme === 'coaps+tcp') return await akmaTlsServer({ address, port, keys, suite, ...(prefix === undefined ? {} : { identityPrefix: prefix }) });
    return await dtls({ address, port, server: { psk: { hint: akmaHint }, suites: 'seal-strict' }, authenticator: akmaAuthenticator(keys, prefix) });
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new UsageError(`--listen: ${error.message}`, { code: error.code, cause: error });
  }
}

type Logger = ReturnType<typeof loggerFor>;

function tellOf(logger: Logger, type: string, fields: object): void {
  if (type.endsWith('-refused') || type.endsWith('-failed')) logger.warn(fields, type);
  else logger.info(fields, type);
}

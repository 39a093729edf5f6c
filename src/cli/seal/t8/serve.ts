import { accessTokenVerifier, aceDeviceLink, Guard, type GuardEvent, type T8Event, T8Gateway, t8Paths } from '../../../../profiles/seal/https/index.ts';
import { systemEnv } from '../../../core/env.ts';
import { type Logger, type LogLevel, loadT8Config, type ServerEvent, type T8Config } from '../../../operate/index.ts';
import { openStore } from '../../../store/index.ts';
import { checkCredentials, type HttpsCredentials, type HttpsServer, serveHttps } from '../../../transport/index.ts';
import { configPath } from '../../config-path.ts';
import { watchHttp } from '../../http-watch.ts';
import { Instruments } from '../../instruments.ts';
import { drainWithin, untilStopped } from '../../listen.ts';
import { differences, Reload } from '../../reload.ts';
import { loggerFor, type ServeFlags } from '../../serve.ts';
import { openClient } from '../../session.ts';
import { clientsBy, type KeySet, keySetOf } from '../https/known.ts';

export type T8ServeFlags = ServeFlags;

/** `ace-coap seal t8 serve` */
export async function t8ServeCommand(path: string, flags: T8ServeFlags): Promise<void> {
  const load = (): T8Config => loadT8Config(configPath(path));
  const config = load();
  const levelOf = ({ logLevel = 'info' }: T8Config): LogLevel => flags.logLevel ?? logLevel;
  const logger = loggerFor('t8', { ...flags, logLevel: levelOf(config) });
  const instruments = await Instruments.open(config, logger, []);
  const told = (event: GuardEvent | T8Event): void => {
    tell(logger, event);
    instruments.count(countedAs(event));
  };
  let server: HttpsServer | undefined;
  let gateway: T8Gateway | undefined;
  const reload = new Reload(config, {
    logger,
    load,
    live: ['file', 'logLevel', 'drain', 'https', 'rules', 'rate'],
    restart: (started, next) => differences('https', fixedHttps(started), fixedHttps(next), 1),
    apply: async (next) => {
      checkCredentials(credentialsOf(next));
      gateway!.policy.configure(next.rules);
      gateway!.changeRates(next.rate);
      server!.renew(credentialsOf(next));
      logger.level = levelOf(next);
      return {};
    },
  });
  try {
    const store = instruments.keep(await openStore(config.store));
    const client = await openClient(config.client);
    const guard = guardOf(() => reload.current, told);
    const { https, notifications, apiRoot, rules, rate } = config;
    const { cert, key } = https;
    gateway = new T8Gateway({
      guard,
      store,
      link: aceDeviceLink(client),
      apiRoot,
      rules,
      notifications: { cert, key, ...notifications },
      limits: { rate },
      emit: told,
    });
    try {
      await gateway.start();
      const watched = { ...watchHttp('t8', () => t8Paths, instruments.emit), refused: guard.refused };
      server = await serveHttps({ ...https.listen, ...credentialsOf(config), ...watched }, gateway.handler);
      const { stats, fault } = server;
      await instruments.watch({ stats: () => ({ ...gateway!.stats(), connections: stats()['connections'] ?? 0 }), fault: () => fault(systemEnv.epoch()) });
      instruments.ready();
      await untilStopped('t8', logger, [{ scheme: 'https', local: { address: server.address, port: server.port } }], () => reload.run());
      instruments.ending('draining');
      await drainWithin(reload.current.drain, server.drain, logger);
    } finally {
      await server?.close();
      await gateway.close();
      await client.close();
    }
  } finally {
    await instruments.close();
  }
  logger.info({}, 'stopped');
}

function credentialsOf({ https: { cert, key, clientCa, crl } }: T8Config): HttpsCredentials {
  return { cert, key, ...(clientCa === undefined ? {} : { clientCa }), ...(crl === undefined ? {} : { crl }) };
}

/** What takes effect at a start only. */
function fixedHttps({ https: { listen, issuer, certificateProfile, failures } }: T8Config): unknown {
  return { listen, issuer, certificateProfile, failures };
}

function guardOf(current: () => T8Config, emit: (event: GuardEvent) => void): Guard {
  const { https, audience } = current();
  const { failures = {} } = https;
  const keys = (): Promise<KeySet> => {
    const { keys: known, ca } = current().https;
    return keySetOf(known, ca === undefined ? {} : { ca });
  };
  const verifier = accessTokenVerifier({ issuer: https.issuer, audience, keys, env: systemEnv });
  const clientOf = (names: readonly string[]): readonly string[] => clientsBy(current().https.clients, names);
  return new Guard({
    verifier,
    certificates: 'required',
    clientOf,
    failures,
    realm: 't8',
    emit,
    ...(https.certificateProfile ? { certificateProfile: systemEnv } : {}),
  });
}

const warnings: ReadonlySet<string> = new Set([
  'refused',
  'handshake-refused',
  'egress-blocked',
  'notification-lost',
  'notification-failed',
  'rate-exceeded',
  'address-rate-exceeded',
  'fault',
]);

function tell(logger: Logger, { type, ...fields }: GuardEvent | T8Event): void {
  if (isWarning(type, fields)) logger.warn(fields, type);
  else logger.info(fields, type);
}

const isWarning = (type: string, fields: object): boolean => warnings.has(type) || ('permitted' in fields && !fields.permitted);

/** Metrics have a reason where something is refused, and nothing else. */
function countedAs(event: GuardEvent | T8Event): ServerEvent {
  const { type } = event;
  if (type === 'fault') return { type, reason: 't8', detail: '' };
  const isByGuard = type === 'refused' || type === 'handshake-refused';
  const reason = isByGuard ? { reason: event.reason } : isWarning(type, event) ? { reason: type } : {};
  return { type: 'service', service: 't8', event: { type, ...reason } };
}

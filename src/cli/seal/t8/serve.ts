import {
  accessTokenVerifier,
  aceDeviceLink,
  Guard,
  type GuardEvent,
  type KeySource,
  keysAt,
  type T8Event,
  T8Gateway,
} from '../../../../profiles/seal/https/index.ts';
import { systemEnv } from '../../../core/env.ts';
import { type Logger, loadT8Config, type T8Config } from '../../../operate/index.ts';
import { openStore } from '../../../store/index.ts';
import { serveHttps } from '../../../transport/index.ts';
import { configPath } from '../../config-path.ts';
import { untilStopped } from '../../listen.ts';
import { loggerFor } from '../../serve.ts';
import { openClient } from '../../session.ts';

export interface T8ServeFlags {
  readonly json?: boolean;
}

/** Milliseconds for what is under way when it ends. */
const patience = 5_000;

/** `ace-coap seal t8 serve` */
export async function t8ServeCommand(path: string, flags: T8ServeFlags): Promise<void> {
  const config = loadT8Config(configPath(path));
  const logger = loggerFor('t8', flags);
  const told = (event: GuardEvent | T8Event): void => tell(logger, event);
  const guard = guardOf(config, told);
  const store = await openStore(config.store);
  try {
    const client = await openClient(config.client);
    const { https, notifications, apiRoot, rules, rate } = config;
    const { listen, cert, key, clientCa, crl } = https;
    const gateway = new T8Gateway({
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
      const server = await serveHttps(
        { ...listen, cert, key, ...(clientCa === undefined ? {} : { clientCa }), ...(crl === undefined ? {} : { crl }), refused: guard.refused },
        gateway.handler,
      );
      await untilStopped('t8', logger, [{ scheme: 'https', local: { address: server.address, port: server.port } }]);
      await server.close(patience);
    } finally {
      await gateway.close();
      await client.close();
    }
  } finally {
    await store.close();
  }
}

function guardOf({ https: { issuer, keys, ca, clients, certificateProfile }, audience }: T8Config, emit: (event: GuardEvent) => void): Guard {
  const source = 'jwks' in keys ? (keys.jwks as Exclude<KeySource, () => unknown>) : keysAt(keys.uri, ca === undefined ? {} : { ca });
  const verifier = accessTokenVerifier({ issuer, audience, keys: source, env: systemEnv });
  const clientOf = (names: readonly string[]): readonly string[] =>
    Object.entries(clients).flatMap(([client, own]) => (own.some((name) => names.includes(name)) ? [client] : []));
  return new Guard({ verifier, certificates: 'required', clientOf, realm: 't8', emit, ...(certificateProfile ? { certificateProfile: systemEnv } : {}) });
}

const warnings: ReadonlySet<string> = new Set([
  'refused',
  'handshake-refused',
  'egress-blocked',
  'notification-lost',
  'notification-failed',
  'rate-exceeded',
  'fault',
]);

function tell(logger: Logger, { type, ...fields }: GuardEvent | T8Event): void {
  if (warnings.has(type) || ('permitted' in fields && !fields.permitted)) logger.warn(fields, type);
  else logger.info(fields, type);
}

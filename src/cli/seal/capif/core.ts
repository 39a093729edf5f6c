import { type CapifCoreChanges, CapifCoreSimulator, type CapifCoreSimulatorOptions } from '../../../../profiles/seal/https/index.ts';
import { ProtocolError } from '../../../core/errors.ts';
import { type CapifCoreConfig, type Logger, loadCapifCoreConfig } from '../../../operate/index.ts';
import { checkCredentials, type HttpsCredentials, serveHttps } from '../../../transport/index.ts';
import { configPath } from '../../config-path.ts';
import { UsageError } from '../../exit.ts';
import { drainWithin, untilStopped } from '../../listen.ts';
import { Reload } from '../../reload.ts';
import { loggerFor, type ServeFlags } from '../../serve.ts';

export type CapifCoreFlags = ServeFlags;

/** Seconds for what is under way when it ends. */
const patience = 5;

/** `ace-coap seal capif core` */
export async function capifCoreCommand(path: string, flags: CapifCoreFlags): Promise<void> {
  const load = (): CapifCoreConfig => loadCapifCoreConfig(configPath(path));
  const config = load();
  const logger = loggerFor('capif', flags);
  const { listen, file } = config;
  let core: CapifCoreSimulator;
  try {
    core = await CapifCoreSimulator.make(optionsOf(config, logger));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new UsageError(`${file}: signing_key_file: ${error.message}`, { code: error.code, cause: error });
  }
  const refused = (peer: string, reason: string): void => logger.warn({ peer, reason }, 'handshake-refused');
  const server = await serveHttps({ ...listen, ...credentialsOf(config), refused }, core.handler);
  logger.warn({}, 'this is a simulator of a CAPIF core function, for labs and tests');
  const { address, port } = server;
  const reload = new Reload(config, {
    logger,
    load,
    live: ['file', 'invokers', 'aefs', 'lifetime', 'cert', 'key', 'clientCa', 'ca'],
    apply: async (next) => {
      checkCredentials(credentialsOf(next));
      await reconfigure(core, next, logger);
      server.renew(credentialsOf(next));
      return {};
    },
  });
  await untilStopped('capif', logger, [{ scheme: 'https', local: { address, port } }], () => reload.run());
  await drainWithin(patience, server.drain, logger);
  await server.close();
  logger.info({}, 'stopped');
}

/** What it shows to whoever connects, and whom it takes. */
function credentialsOf({ cert, key, clientCa }: CapifCoreConfig): HttpsCredentials {
  return { cert, key, clientCa };
}

function changesOf({ invokers, aefs, lifetime, cert, key, ca }: CapifCoreConfig): CapifCoreChanges {
  return { invokers, aefs, lifetime, tls: { cert, key, ...(ca === undefined ? {} : { ca }) } };
}

function optionsOf(config: CapifCoreConfig, logger: Logger): CapifCoreSimulatorOptions {
  const { issuer, signingKey } = config;
  return {
    issuer,
    ...changesOf(config),
    ...(signingKey === undefined ? {} : { signingKey }),
    emit: ({ type, ...fields }) => (type === 'refused' ? logger.warn(fields, type) : logger.info(fields, type)),
  };
}

/** It is reconfigured although an AEF was not there to be told. */
async function reconfigure(core: CapifCoreSimulator, next: CapifCoreConfig, logger: Logger): Promise<void> {
  try {
    await core.reconfigure(changesOf(next));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    logger.error({ reason: error.code, detail: error.message }, 'an AEF has not heard of a revocation');
  }
}

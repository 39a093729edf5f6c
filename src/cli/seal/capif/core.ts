import { CapifCoreSimulator, type CapifCoreSimulatorOptions } from '../../../../profiles/seal/https/index.ts';
import { ProtocolError } from '../../../core/errors.ts';
import { type CapifCoreConfig, type Logger, loadCapifCoreConfig } from '../../../operate/index.ts';
import { serveHttps } from '../../../transport/index.ts';
import { configPath } from '../../config-path.ts';
import { UsageError } from '../../exit.ts';
import { drainWithin, untilStopped } from '../../listen.ts';
import { Reload } from '../../reload.ts';
import { loggerFor, type ServeFlags } from '../../serve.ts';
import { holdHangups } from '../../signals.ts';

export type CapifCoreFlags = ServeFlags;

/** Seconds for what is under way when it ends. */
const patience = 5;

/** `ace-coap seal capif core` */
export async function capifCoreCommand(path: string, flags: CapifCoreFlags): Promise<void> {
  holdHangups();
  const load = (): CapifCoreConfig => loadCapifCoreConfig(configPath(path));
  const config = load();
  const logger = loggerFor('capif', flags);
  const { listen, cert, key, clientCa, file } = config;
  let core: CapifCoreSimulator;
  try {
    core = await CapifCoreSimulator.make(optionsOf(config, logger));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new UsageError(`${file}: signing_key_file: ${error.message}`, { code: error.code, cause: error });
  }
  const refused = (peer: string, reason: string): void => logger.warn({ peer, reason }, 'handshake-refused');
  const server = await serveHttps({ ...listen, cert, key, clientCa, refused }, core.handler);
  logger.warn({}, 'this is a simulator of a CAPIF core function, for labs and tests');
  const { address, port } = server;
  const reload = new Reload(config, {
    logger,
    load,
    live: ['file', 'invokers', 'aefs'],
    apply: async (next) => {
      await reconfigure(core, next, logger);
      return {};
    },
  });
  await untilStopped('capif', logger, [{ scheme: 'https', local: { address, port } }], () => void reload.run());
  await drainWithin(patience, server.drain, logger);
  await server.close();
  logger.info({}, 'stopped');
}

function optionsOf({ issuer, signingKey, lifetime, invokers, aefs, cert, key, ca }: CapifCoreConfig, logger: Logger): CapifCoreSimulatorOptions {
  return {
    issuer,
    invokers,
    aefs,
    ...(signingKey === undefined ? {} : { signingKey }),
    ...(lifetime === undefined ? {} : { lifetime }),
    tls: { cert, key, ...(ca === undefined ? {} : { ca }) },
    emit: ({ type, ...fields }) => (type === 'refused' ? logger.warn(fields, type) : logger.info(fields, type)),
  };
}

/** It is reconfigured although an AEF was not there to be told. */
async function reconfigure(core: CapifCoreSimulator, { invokers, aefs }: CapifCoreConfig, logger: Logger): Promise<void> {
  try {
    await core.reconfigure({ invokers, aefs });
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    logger.error({ reason: error.code, detail: error.message }, 'an AEF has not heard of a revocation');
  }
}

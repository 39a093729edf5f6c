import { CapifCoreSimulator, type CapifCoreSimulatorOptions } from '../../../../profiles/seal/https/index.ts';
import { ProtocolError } from '../../../core/errors.ts';
import { type CapifCoreConfig, ConfigError, type Logger, loadCapifCoreConfig } from '../../../operate/index.ts';
import { serveHttps } from '../../../transport/index.ts';
import { configPath } from '../../config-path.ts';
import { UsageError } from '../../exit.ts';
import { untilStopped } from '../../listen.ts';
import { loggerFor, type ServeFlags } from '../../serve.ts';

export type CapifCoreFlags = ServeFlags;

/** Milliseconds for what is under way when it ends. */
const patience = 5_000;

/** `ace-coap seal capif core` */
export async function capifCoreCommand(path: string, flags: CapifCoreFlags): Promise<void> {
  const config = loadCapifCoreConfig(configPath(path));
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
  await untilStopped('capif', logger, [{ scheme: 'https', local: { address, port } }], () => void reload(path, core, logger));
  await server.close(patience);
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

/** What is wrong with the file is told, and what was there stays. */
async function reload(path: string, core: CapifCoreSimulator, logger: Logger): Promise<void> {
  try {
    const { invokers, aefs } = loadCapifCoreConfig(configPath(path));
    await core.reconfigure({ invokers, aefs });
    logger.info({}, 'reloaded');
  } catch (error) {
    if (error instanceof ConfigError) for (const problem of error.problems) logger.error({ file: error.file, ...problem }, 'configuration refused');
    else if (error instanceof ProtocolError) logger.error({ reason: error.code, detail: error.message }, 'an AEF has not heard of a revocation');
    else throw error;
  }
}

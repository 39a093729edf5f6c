/**
 * What an operator needs: configuration files, checked, with their keys read in; a fresh lab or pair of OSCORE contexts; a log.
 *
 * ```ts
 * const { listen, store, clients, resourceServers } = loadAsConfig('lab'); // or 'lab/as.yaml'; throws ConfigError with the line of each fault
 * const log = createLogger({ level: 'info', base: { role: 'as' } });
 * log.info({ token: new Uint8Array(90) }, 'token made'); // {"level":"info","role":"as","token":"<90 bytes>","msg":"token made"}
 * ```
 */

export { type AlgorithmsByName, aeadAlgorithms, hkdfAlgorithms } from './algorithm-names.ts';
export {
  type AsConfig,
  type ChannelConfig,
  type ClientConfig,
  loadAsConfig,
  loadClientConfig,
  loadRsConfig,
  type ResourceConfig,
  type RsConfig,
  type ScopeConfig,
  type TransmissionConfig,
} from './config.ts';
export { ConfigError, type ConfigProblem } from './config-error.ts';
export type { DtlsConfig, DtlsPeerConfig, DtlsServerConfig } from './dtls-config.ts';
export { type LabOptions, type LabProfile, writeLab } from './lab.ts';
export type { ListenConfig, TransportScheme } from './listen.ts';
export { createLogger, type Logger, type LoggerOptions, type LogLevel, loggable, logLevels } from './logger.ts';
export { loadOscoreContext, type OscoreConfig, type OscoreContextConfig } from './oscore-config.ts';
export { type OscorePairOptions, writeOscorePair } from './oscore-pair.ts';
export type { TlsConfig } from './tls-config.ts';

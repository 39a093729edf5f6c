/**
 * What an operator needs: configuration files, checked, with their keys read in; a fresh lab or pair of OSCORE contexts; a log.
 *
 * ```ts
 * const { listen, store, clients, resourceServers } = loadAsConfig('lab'); // or 'lab/as.yaml'; throws ConfigError with the line of each fault
 * const log = createLogger({ level: 'info', base: { role: 'as' } });
 * log.info({ token: new Uint8Array(90) }, 'token made'); // {"level":"info","role":"as","token":"<90 bytes>","msg":"token made"}
 * ```
 *
 * @module ace-coap/operate
 */

export { isLoopback } from '../core/host.ts';
export {
  type Anchor,
  type ArchiveAuditOptions,
  type ArchivedAudit,
  type ArchivedFile,
  type AuditEntry,
  AuditError,
  type AuditedChain,
  type AuditedFact,
  type AuditFileHandle,
  AuditLog,
  type AuditLogOptions,
  type AuditProblem,
  type AuditReport,
  anchorsIn,
  archiveAudit,
  type ChainHead,
  readAudit,
  verifyAudit,
} from './audit/index.ts';
export { type ClientKit, type ClientKitOptions, writeClientKit } from './client-kit.ts';
export { type AlgorithmsByName, aeadAlgorithms, hkdfAlgorithms } from './config/algorithm-names.ts';
export { type AsConfig, type ClientRegistrationConfig, type DtlsAsConfig, loadAsConfig, type ResourceServerRegistrationConfig } from './config/as.ts';
export type { AdminObjectName } from './config/as-schema.ts';
export { type CapifCoreConfig, loadCapifCoreConfig } from './config/capif-core.ts';
export { type ClientConfig, loadClientConfig } from './config/client.ts';
export { type ConformanceConfig, loadConformanceTarget, type OfferedRequestConfig, type ResourcesConfig } from './config/conformance.ts';
export type { DtlsConfig, DtlsPeerConfig, DtlsServerConfig } from './config/dtls.ts';
export type { DtlsServerSettings, DtlsSettings, SuitesConfig } from './config/dtls-settings.ts';
export { ConfigError, type ConfigProblem } from './config/error.ts';
export type { ListenAddress, ListenConfig, TransportScheme } from './config/listen.ts';
export { type AuditConfig, type OperationsConfig, parseMetrics, type RateConfig, type RatesConfig } from './config/operations.ts';
export { loadOscoreContext, type OscoreConfig, type OscoreContextConfig } from './config/oscore.ts';
export type { ProxyConfig, TrustedNetwork } from './config/proxy.ts';
export type { ChannelConfig, RevocationConfig, ScopeConfig, TokenKeyConfig, TransmissionConfig } from './config/reader.ts';
export { profileNumbers } from './config/reader.ts';
export { loadClientRegistration, loadResourceServerRegistration, loadTokenKey } from './config/registration.ts';
export { loadRsConfig, type ResourceConfig, type RsConfig } from './config/rs.ts';
export type { ExperimentName, GrantTypeName } from './config/schema.ts';
export type { SealAsConfig, SealClientConfig, SealCommonConfig, SealRsConfig, ValIdentityConfig } from './config/seal.ts';
export type { CapifAefConfig, CapifInvokerConfig, CapifMethodName } from './config/seal-capif.ts';
export type { ConfigurationServiceConfig, LimitsConfig, ServiceConfig, SpatialServiceConfig } from './config/seal-documents.ts';
export type { SealHttpsAsConfig } from './config/seal-https-as.ts';
export type { KeySetConfig, SealHttpsRsConfig } from './config/seal-https-rs.ts';
export type { KeyManagementConfig } from './config/seal-key-management.ts';
export type { Msgin5gConfig, TlsSuiteName } from './config/seal-msgin5g.ts';
export type { OpenIdClientConfig } from './config/seal-openid.ts';
export type { SealServicesConfig } from './config/seal-services.ts';
export { loadT8Config, type T8Config, type T8RuleConfig } from './config/t8.ts';
export type { TlsConfig } from './config/tls.ts';
export { keepSessions, type LastingSessions, type TakenSessions, takeSessions } from './dtls-sessions.ts';
export { type HttpAnsweredEvent, lineOf, logEvent, type ServerEvent, type ServiceEvent } from './events.ts';
export { type LabOptions, type LabProfile, writeLab } from './lab.ts';
export { type AdjustableLogger, createLogger, type Logger, type LoggerOptions, type LogLevel, loggable, logLevels } from './logger.ts';
export {
  endpointOf,
  type HealthOptions,
  healthCheck,
  MetricsError,
  type MetricsServer,
  type MetricsServerOptions,
  measuredStore,
  type ObserveStore,
  ServerMetrics,
  type ServerMetricsOptions,
  type SessionEvent,
  type StoreOperation,
  serveMetrics,
} from './metrics/index.ts';
export { isoTime, type NextKey, type NextKeyOptions, writeNextKey } from './next-key.ts';
export { type OscorePairOptions, writeOscorePair } from './oscore-pair.ts';
export type { ServerProcess, WritingProcess } from './process.ts';
export { restoreRules } from './restore-rules.ts';
export type { LabCertificate, SealHttpsLab, SealT8Lab } from './seal-https-lab.ts';
export { capifNames, valServerName, writeSealLab } from './seal-lab.ts';
export { labDevice, labScsAs, labScsAsName } from './seal-t8-lab.ts';
export { expectUnserved, ServerClaim, type ServerClaimOptions, type ServerSearch, StoreInUseError } from './server-claim.ts';

import { resolve } from 'node:path';
import { isLoopback } from '../../core/host.ts';
import { type LogLevel, logLevels } from '../logger.ts';
import type { ConfigFile } from './file.ts';
import { parseListen } from './listen.ts';
import { type Entries, folderPath, matching, oneOf, optional, positive, type Schema, section, whole, yesNo } from './schema.ts';

/** How a server is watched and ended. */
export interface RawOperations {
  readonly log_level?: LogLevel;
  readonly metrics?: string;
  readonly metrics_public?: boolean;
  readonly drain?: number;
}

export interface RawAudit {
  readonly audit?: string;
  readonly audit_file_size?: number;
  readonly audit_file_age?: number;
}

export interface RawRates {
  readonly per_client?: RateConfig;
  readonly per_address?: RateConfig;
}

/** Requests of one party: so many at once, and from then on so many per second. */
export interface RateConfig {
  readonly burst: number;
  readonly rate: number;
}

/** Of a server of either role. */
export interface OperationsConfig {
  /** Absent: `info`, or what the command line says. */
  readonly logLevel?: LogLevel;
  /** Where metrics and health can be asked for. Absent: nowhere. */
  readonly metrics?: { readonly address: string; readonly port: number };
  /** Seconds in which a server that ends may answer what is under way. */
  readonly drain: number;
}

/** Where a server writes its audit log. */
export interface AuditConfig {
  /** Absolute. */
  readonly folder: string;
  /** Bytes after which the next file is begun. */
  readonly fileSize?: number;
  /** Seconds after which it is. */
  readonly fileAge?: number;
}

/** How many token requests one client and one address may make. */
export interface RatesConfig {
  readonly client?: RateConfig;
  readonly address?: RateConfig;
}

/** Where metrics are: an address and a port without a scheme. */
export function parseMetrics(text: string): { readonly address: string; readonly port: number } | undefined {
  const place = text.includes('://') ? undefined : parseListen(text);
  return place && { address: place.address === 'localhost' ? '127.0.0.1' : place.address, port: place.port };
}

export const operations: Entries = {
  log_level: optional(oneOf(logLevels)),
  metrics: optional(matching('an address and a port, such as 127.0.0.1:9464', (text) => parseMetrics(text) !== undefined)),
  metrics_public: optional(yesNo),
  drain: optional(whole(0, 3_600, 'seconds')),
};

export const audit: Entries = {
  audit: optional(folderPath),
  audit_file_size: optional(whole(65_536, 1_073_741_824, 'bytes')),
  audit_file_age: optional(whole(60, 31_536_000, 'seconds')),
};

/** So many requests at once, and so many a second after that. */
export const rate: Schema<RateConfig> = section('a rate: burst and rate', { burst: whole(1, 1_000_000, 'requests'), rate: positive('requests per second') });

export const rates: Schema<RawRates> = section('rates: per_client, per_address', { per_client: optional(rate), per_address: optional(rate) });

/** What is wrong is noted in `file`. */
export function readOperations(file: ConfigFile, raw: RawOperations): OperationsConfig {
  const metrics = raw.metrics === undefined ? undefined : parseMetrics(raw.metrics)!;
  if (metrics !== undefined && !isLoopback(metrics.address) && raw.metrics_public !== true) {
    file.problem(['metrics'], `expected a loopback address, or metrics_public: true beside it, got "${metrics.address}"`);
  }
  return { ...(raw.log_level !== undefined && { logLevel: raw.log_level }), ...(metrics && { metrics }), drain: raw.drain ?? 10 };
}

export function readAuditConfig(file: ConfigFile, raw: RawAudit): { readonly audit?: AuditConfig } {
  if (raw.audit === undefined) {
    for (const key of ['audit_file_size', 'audit_file_age'] as const) if (raw[key] !== undefined) file.problem([key], 'expected audit beside it, got none');
    return {};
  }
  return {
    audit: {
      folder: resolve(file.folder, raw.audit),
      ...(raw.audit_file_size !== undefined && { fileSize: raw.audit_file_size }),
      ...(raw.audit_file_age !== undefined && { fileAge: raw.audit_file_age }),
    },
  };
}

export function ratesConfig(raw: RawRates): RatesConfig {
  return { ...(raw.per_client && { client: raw.per_client }), ...(raw.per_address && { address: raw.per_address }) };
}

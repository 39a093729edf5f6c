import type { AuthorizationServerEvent } from '../as/index.ts';
import type { ResourceServerEvent } from '../rs/index.ts';
import type { Logger, LogLevel } from './logger.ts';

/** What a service that a server offers tells, under its name. A refusal has a reason, and a type that ends in `-refused`. */
export interface ServiceEvent {
  readonly type: 'service';
  readonly service: string;
  readonly event: { readonly type: string; readonly reason?: string };
}

/** A request over HTTP is over. */
export interface HttpAnsweredEvent {
  readonly type: 'http-answered';
  /** Which server of HTTP, where a process may have several. */
  readonly face: string;
  /** What of it was asked, by the beginning of the path; `other` for what there is not. */
  readonly endpoint: string;
  readonly method: string;
  /** 0: the client was gone before there was an answer. */
  readonly status: number;
  readonly milliseconds: number;
}

/** What servers of either role tell. */
export type ServerEvent = AuthorizationServerEvent | ResourceServerEvent | ServiceEvent | HttpAnsweredEvent;

/**
 * How events become lines of a log: the message is the type of the event, the fields are its own. What is not here is `info`.
 *
 * | event | level | fields |
 * | --- | --- | --- |
 * | `token-issued` | info | token (hash), client, audience, scope, expiresIn, profile, update, grant |
 * | `token-refused` (AS) | warn | client, audience, scope, reason, detail |
 * | `code-issued` | info | client, user, scope |
 * | `login` | info | user, client, address |
 * | `login-refused` | warn | reason, user, client, address |
 * | `login-locked` | warn | by, user, client, address, seconds |
 * | `introspected` | info | requester, active, client, audience |
 * | `token-uploaded` | info | token (hash), client, resourceServer, outcome, detail |
 * | `token-revoked` | info | token (hash), client, resourceServer |
 * | `grant-revoked` | warn | client, reason, tokens (hashes) |
 * | `trl-queried` | info | requester, query, observe |
 * | `refused` | warn | reason, peer, detail |
 * | `administration` | info | actor, act, object, id |
 * | `reconfigured` | info | added, changed, removed |
 * | `clock` | warn | reason, seconds |
 * | `answered` | debug | path, method, code, milliseconds |
 * | `http-answered` | debug | face, endpoint, method, status, milliseconds |
 * | `token-accepted` | info | credential, scope, expiresIn, profile, update, peer |
 * | `token-refused` (RS) | warn | reason, detail, code, peer |
 * | `token-ended` | info | reason, credential |
 * | `request-served` | info | reason, path, method, peer, credential |
 * | `request-refused` | warn | reason, path, method, code, peer, credential |
 * | `revocation-list` | info; not reached: warn | issuer, reason, detail |
 * | `fault` | error | reason, detail |
 * | `profile` | debug; what ends an association: warn | profile, event, reason, detail |
 * | `service` | info; a refusal: warn | service, event, and the fields of the event |
 * | `endpoint` | debug | event, reason, state, peer, detail, error |
 */
const eventLevels: Readonly<Record<string, Exclude<LogLevel, 'silent'>>> = {
  'token-refused': 'warn',
  'request-refused': 'warn',
  refused: 'warn',
  'grant-revoked': 'warn',
  'login-refused': 'warn',
  'login-locked': 'warn',
  clock: 'warn',
  fault: 'error',
  answered: 'debug',
  'http-answered': 'debug',
  profile: 'debug',
  endpoint: 'debug',
};

/** Events of profiles that somebody has to look into. */
const serious: ReadonlySet<string> = new Set(['oscore-sequence', 'oscore-running-out']);

/** The level and the fields of an event. */
export function lineOf(event: ServerEvent): { readonly level: Exclude<LogLevel, 'silent'>; readonly fields: object } {
  const level = eventLevels[event.type] ?? 'info';
  if (event.type === 'profile') {
    // A message that was decrypted stays out.
    const { type, reason, detail } = event.event;
    return { level: serious.has(type) ? 'warn' : level, fields: { profile: event.profile, event: type, reason, detail } };
  }
  if (event.type === 'service') {
    const { type, ...fields } = event.event;
    return { level: type.endsWith('-refused') ? 'warn' : level, fields: { service: event.service, event: type, ...fields } };
  }
  if (event.type === 'revocation-list' && event.reason !== 'reached') return { level: 'warn', fields: fieldsOf(event) };
  if (event.type === 'endpoint') return { level, fields: ofEndpoint(event.event) };
  return { level, fields: fieldsOf(event) };
}

function fieldsOf({ type: _type, ...fields }: ServerEvent): object {
  return fields;
}

/** One line for an event, at the level that it deserves; without secrets. */
export function logEvent(logger: Logger, event: ServerEvent): void {
  const { level, fields } = lineOf(event);
  logger[level](fields, event.type);
}

/** Of what an engine tells, what stands for messages and peers by name alone. */
function ofEndpoint(event: unknown): object {
  const { type, reason, state, peer, detail, error } = (event ?? {}) as Readonly<Record<string, unknown>>;
  return {
    event: type,
    reason,
    state,
    detail,
    peer: (peer as { readonly key?: string } | undefined)?.key,
    error: error instanceof Error ? error.message : undefined,
  };
}

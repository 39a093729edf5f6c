import { DtlsError } from './errors.ts';

/** RFC 5246 Section 7.2. */
export const AlertLevel = { warning: 1, fatal: 2 } as const;
export type AlertLevel = (typeof AlertLevel)[keyof typeof AlertLevel];

/** TLS Alerts, IANA registry as of 2026-11, without those that only TLS 1.3 or SSL sends. */
export const AlertDescription = {
  close_notify: 0,
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  handshake_failure: 40,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  protocol_version: 70,
  insufficient_security: 71,
  internal_error: 80,
  user_canceled: 90,
  no_renegotiation: 100,
  unsupported_extension: 110,
  unrecognized_name: 112,
  unknown_psk_identity: 115,
} as const;
export type AlertDescription = (typeof AlertDescription)[keyof typeof AlertDescription];
/** The description of an alert by its name (RFC 5246, Section 7.2). */
export type AlertName = keyof typeof AlertDescription;

const names: ReadonlyMap<number, string> = new Map(Object.entries(AlertDescription).map(([name, number]) => [number, name]));

/** The name of an alert, or its number. */
export function alertName(description: number): string {
  return names.get(description) ?? String(description);
}

/** An alert as it stands on the wire (RFC 5246, Section 7.2). */
export interface Alert {
  readonly level: number;
  readonly description: number;
}

export function encodeAlert(level: AlertLevel, description: number): Uint8Array {
  return Uint8Array.of(level, description);
}

/** One alert is one record here; `undefined` when it is none. */
export function decodeAlert(fragment: Uint8Array): Alert | undefined {
  const [level, description] = fragment;
  if (fragment.length !== 2 || (level !== AlertLevel.warning && level !== AlertLevel.fatal)) return undefined;
  return { level, description: description! };
}

/** What the peer did, or what it lacks, ends the handshake: the fatal alert that tells it, and the reason for our side. */
export class HandshakeFailure extends DtlsError {
  readonly alert: AlertName;

  constructor(alert: AlertName, reason: string) {
    super('ERR_DTLS_HANDSHAKE', `${alert}: ${reason}`);
    this.alert = alert;
  }
}

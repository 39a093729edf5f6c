import { type CborValue, decode, encode } from '../core/cbor.ts';
import { ProtocolError } from '../core/errors.ts';
import { DtlsError } from '../dtls/index.ts';

/** What a socket hands over of its sessions, one by one, for the process that comes after. */
export interface KeptState {
  /** For `DtlsTransport.take`. They hold keys: whoever has them can read and forge what the session says. */
  readonly bytes: Uint8Array;
  /** Seconds since 1970; from then on they are of no use. */
  readonly expiresAt: number;
}

/** A session that a client has opened, and the socket that it was at. */
export interface KeptSession {
  /** Where the client is. */
  readonly address: string;
  readonly port: number;
  /** The port of the socket: that of another one the client does not know. */
  readonly local: number;
  readonly credential: string | undefined;
  /** What `Connection.export` gave. */
  readonly connection: Uint8Array;
}

/** What may be resumed, as `encodeSession` gave it. */
export interface KeptResumption {
  readonly resumption: Uint8Array;
}

const layout = 1;
const Kind = { session: 1, resumption: 2 } as const;

export function encodeKept(kept: KeptSession | KeptResumption): Uint8Array {
  if ('resumption' in kept) return encode([layout, Kind.resumption, kept.resumption]);
  const { address, port, local, credential, connection } = kept;
  return encode([layout, Kind.session, address, port, local, credential ?? null, connection]);
}

/** @throws {DtlsError} `ERR_DTLS_IMPORT` for bytes of something else */
export function decodeKept(bytes: Uint8Array): KeptSession | KeptResumption {
  const [made, kind, first, port, local, credential, connection, ...more] = listIn(bytes);
  if (made === layout && kind === Kind.resumption && first instanceof Uint8Array && port === undefined) return { resumption: first };
  const isSession = made === layout && kind === Kind.session && more.length === 0;
  if (isSession && typeof first === 'string' && isPort(port) && isPort(local) && isName(credential) && connection instanceof Uint8Array)
    return { address: first, port, local, credential: credential ?? undefined, connection };
  throw bad();
}

function listIn(bytes: Uint8Array): readonly CborValue[] {
  try {
    const value = decode(bytes);
    if (Array.isArray(value)) return value as readonly CborValue[];
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
  throw bad();
}

function isPort(value: CborValue | undefined): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 0xffff;
}

const isName = (value: CborValue | undefined): value is string | null => value === null || typeof value === 'string';

const bad = (): DtlsError => new DtlsError('ERR_DTLS_IMPORT', 'expected a session that was kept, got something else');

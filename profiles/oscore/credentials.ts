import type { PeerRules } from '../../src/ace/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { type ContextParameters, checkParameters } from '../../src/oscore/index.ts';

/** Credentials or a use that this profile cannot work with. Codes: `ERR_OSCORE_PROFILE_*`. */
export class OscoreProfileError extends ProtocolError {}

/** Shorter secrets can be searched for. */
const shortestSecret = 16;

/**
 * Pre-established context parameters, as a configuration gives them, seen from this end.
 *
 * @throws {OscoreProfileError} `ERR_OSCORE_PROFILE_CREDENTIALS`; the message names the field and never its value
 */
export function readCredentials(credentials: unknown): ContextParameters {
  if (typeof credentials !== 'object' || credentials === null) throw refuse('credentials', 'the parameters of a security context', credentials);
  const fields = credentials as Fields;
  const masterSecret = bytes(fields, 'masterSecret');
  if (masterSecret.length < shortestSecret) {
    throw new OscoreProfileError('ERR_OSCORE_PROFILE_CREDENTIALS', `masterSecret: expected at least ${shortestSecret} bytes, got ${masterSecret.length}`);
  }
  return {
    masterSecret,
    senderId: bytes(fields, 'senderId'),
    recipientId: bytes(fields, 'recipientId'),
    ...(fields.masterSalt === undefined ? {} : { masterSalt: bytes(fields, 'masterSalt') }),
    ...(fields.idContext === undefined ? {} : { idContext: bytes(fields, 'idContext') }),
    ...(fields.aead === undefined ? {} : { aead: integer(fields, 'aead') }),
    ...(fields.hkdf === undefined ? {} : { hkdf: integer(fields, 'hkdf') }),
    ...(fields.replayWindow === undefined ? {} : { replayWindow: integer(fields, 'replayWindow') }),
  };
}

/** By what a request names a context: its kid and, after a dot, its kid context. A kid may be empty, so something follows it in any case. */
export function contextIndex(kid: Uint8Array, kidContext: Uint8Array | undefined): string {
  return kidContext === undefined ? `${toHex(kid)}-` : `${toHex(kid)}.${toHex(kidContext)}`;
}

/**
 * The peers of an AS by OSCORE. A peer that the AS finds in its store (and that was not added) and whose context has an ID Context has to send it as kid context.
 */
export const oscorePeers: PeerRules = {
  confidential: true,
  indexOf: (credentials) => {
    const parameters = checkParameters(readCredentials(credentials));
    return contextIndex(parameters.recipientId, parameters.idContext);
  },
};

type Fields = Readonly<Record<keyof ContextParameters, unknown>>;

function bytes(fields: Fields, name: keyof ContextParameters): Uint8Array {
  const value = fields[name];
  if (!(value instanceof Uint8Array)) throw refuse(name, 'bytes', value);
  return value.slice();
}

function integer(fields: Fields, name: keyof ContextParameters): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isInteger(value)) throw refuse(name, 'an integer', value);
  return value;
}

function refuse(what: string, expected: string, got: unknown): OscoreProfileError {
  return new OscoreProfileError('ERR_OSCORE_PROFILE_CREDENTIALS', `${what}: expected ${expected}, got ${got === null ? 'null' : typeof got}`);
}

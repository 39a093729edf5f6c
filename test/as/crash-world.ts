import type { GrantTypeName } from '../../src/as/index.ts';
import { symmetricKey, type TokenKey } from '../../src/core/cwt.ts';

/** What the server of the crash test and those who use it have in common. */
export const clientIds = ['c1', 'c2', 'c3'] as const;
export const grantTypes: readonly GrantTypeName[] = ['client_credentials', 'refresh_token', 'authorization_code'];
export const tokenKey: TokenKey = symmetricKey('AES-CCM-16-64-128', new Uint8Array(16).fill(0x55));

interface Credentials {
  readonly masterSecret: Uint8Array;
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
}

/** The key of a peer with the AS, from the side of the peer. */
export function keyOf(index: number): Credentials {
  return { masterSecret: new Uint8Array(16).fill(0x10 + index), senderId: Uint8Array.of(index), recipientId: Uint8Array.of(0x80 + index) };
}

export function mirrored({ masterSecret, senderId, recipientId }: Credentials): Credentials {
  return { masterSecret, senderId: recipientId, recipientId: senderId };
}

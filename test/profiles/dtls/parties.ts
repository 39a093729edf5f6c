import { type DtlsProfileOptions, dtlsProfileWith } from '../../../profiles/dtls/index.ts';
import { fromHex } from '../../../src/core/bytes.ts';
import { type CoseKey, Curve, KeyType } from '../../../src/core/cose/index.ts';
import { publicKeyFrom } from '../../../src/core/crypto/index.ts';
import { dtlsOver } from '../../../src/transport/index.ts';
import type { Party, Place } from '../compliance.ts';

/** A raw public key on P-256 that is the same in every run. */
export function rawKey(number: number): CoseKey {
  return { kty: KeyType.EC2, ...publicKeyFrom(Curve.P256, new Uint8Array(32).fill(number)) };
}

export const clientKey: CoseKey = rawKey(1);
export const serverKey: CoseKey = rawKey(2);
/** RFC 9202, Figure 9. */
export const figure9: Uint8Array = fromHex('a108a101a2010402483d027833fc6267ce');

/** A party with plain CoAP on its port and sessions on the one above. */
export function partyAt({ role, simulator, env, address, port }: Place, options: Omit<DtlsProfileOptions, 'sessions'>): Party {
  const plain = simulator.transport(address, port);
  const own = serverKey as CoseKey & { readonly crv: number; readonly x: Uint8Array; readonly y: Uint8Array; readonly d: Uint8Array };
  const server = { psk: {}, rawPublicKey: { own, client: 'require' } } as const;
  const sessions = dtlsOver(simulator.transport(address, port + 1), { env, ...(role === 'client' ? {} : { server }) });
  return { profile: dtlsProfileWith({ sessions, ...options }), transport: [plain, sessions] };
}

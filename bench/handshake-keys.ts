import { equalBytes, fromHex, utf8 } from '../src/core/bytes.ts';
import { type CurveKeyPair, publicKeyFrom } from '../src/core/crypto/index.ts';
import type { ClientConfig, DtlsServerConfig } from '../src/dtls/index.ts';

export type KeyExchangeName = 'psk' | 'rpk';

export const identity: Uint8Array = utf8('Client_identity');
export const psk: Uint8Array = fromHex('00112233445566778899aabbccddeeff');

/** Keys of these measurements alone. */
export const serverKey: CurveKeyPair = publicKeyFrom(1, fromHex(`01${'5a'.repeat(31)}`));
export const clientKey: CurveKeyPair = publicKeyFrom(1, fromHex(`01${'a5'.repeat(31)}`));

export function pskOf(asked: Uint8Array): Uint8Array | undefined {
  return equalBytes(asked, identity) ? psk : undefined;
}

export const serverConfigs: Readonly<Record<KeyExchangeName, DtlsServerConfig>> = {
  psk: { suites: ['TLS_PSK_WITH_AES_128_CCM_8'], psk: {} },
  rpk: { suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'], groups: ['secp256r1'], rawPublicKey: { own: serverKey, client: 'require' } },
};

export const clientConfigs: Readonly<Record<KeyExchangeName, ClientConfig>> = {
  psk: { suites: ['TLS_PSK_WITH_AES_128_CCM_8'], psk: { identity, key: psk } },
  rpk: { suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'], groups: ['secp256r1'], rawPublicKey: { own: clientKey } },
};

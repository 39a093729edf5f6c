import type { DtlsProfileOptions } from '../../../profiles/dtls/index.ts';
import { profileCompliance } from '../compliance.ts';
import { clientKey, partyAt, serverKey } from './parties.ts';

const badCredentials: readonly unknown[] = [
  undefined,
  null,
  'secret',
  {},
  { psk: { identity: 'text', key: new Uint8Array(16) } },
  { psk: { identity: Uint8Array.of(1), key: new Uint8Array(15) } },
  { psk: { identity: new Uint8Array(0), key: new Uint8Array(16) } },
  { psk: { identity: Uint8Array.of(1), key: new Uint8Array(16) }, rawPublicKey: serverKey },
  { rawPublicKey: { kty: 4, k: new Uint8Array(16) } },
  { rawPublicKey: { server: serverKey, own: { ...clientKey, d: undefined } } },
];

const derivationKey = new Uint8Array(16).fill(9);
const modes: Readonly<Record<string, Omit<DtlsProfileOptions, 'sessions'>>> = {
  'coap_dtls with pre-shared keys': {},
  'coap_dtls with derived keys': { as: { derivationKeys: { rs1: derivationKey } }, rs: { derivationKeys: { as1: derivationKey } } },
  'coap_dtls with tokens as identities': { client: { token: 'psk-identity' } },
  'coap_dtls with raw public keys': { as: { clientKeys: { c1: [clientKey], c2: [clientKey] }, serverKeys: { rs1: serverKey } }, client: { ownKey: clientKey } },
};

for (const [name, options] of Object.entries(modes)) {
  const inHandshake = options.client?.token === 'psk-identity';
  profileCompliance({ name, party: (place) => partyAt(place, options), badCredentials, replaced: '2.05', ...(inHandshake ? { uploads: false } : {}) });
}

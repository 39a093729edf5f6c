import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DtlsProfileOptions, dtlsProfileWith } from '../../../profiles/dtls/index.ts';
import { type AceError, AceErrorCode } from '../../../src/ace/index.ts';
import type { Peer } from '../../../src/coap/index.ts';
import { fromHex } from '../../../src/core/bytes.ts';
import { Algorithm, type CoseKey, Curve, KeyOperation, KeyType } from '../../../src/core/cose/index.ts';
import type { DtlsSessions } from '../../../src/dtls/index.ts';
import { memoryStore } from '../../../src/store/index.ts';
import { Simulator } from '../../support/simulator.ts';
import { clientKey, serverKey } from './parties.ts';

const { d: _, ...p256 } = clientKey;
/** RFC 8032, Section 7.1, test 1. */
const ed25519: CoseKey = { kty: KeyType.OKP, crv: Curve.Ed25519, x: fromHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a') };
const psk: CoseKey = { kty: KeyType.Symmetric, kid: Uint8Array.of(1), k: new Uint8Array(16).fill(1) };

/** Keys that are for something else than a handshake of DTLS, and such that may be for it. RFC 9864 has -9 and -19 for ES256 on P-256 and EdDSA on Ed25519. */
const misfits: readonly CoseKey[] = [
  { ...p256, alg: Algorithm.ES384 },
  { ...p256, alg: -25 },
  { ...p256, alg: 'ES256' },
  { ...p256, keyOps: [KeyOperation.sign] },
  { ...p256, keyOps: [KeyOperation.deriveKey, KeyOperation.deriveBits] },
  { ...ed25519, alg: Algorithm.ES256 },
  { ...psk, alg: Algorithm.AES_CCM_16_64_128 },
  { ...psk, alg: 5 },
  { ...psk, keyOps: [KeyOperation.macCreate, KeyOperation.macVerify] },
];
const fitting: readonly CoseKey[] = [
  p256,
  { ...p256, alg: Algorithm.ES256, keyOps: [KeyOperation.verify] },
  { ...p256, alg: -9 },
  { ...p256, keyOps: ['of somebody', KeyOperation.verify] },
  ed25519,
  { ...ed25519, alg: Algorithm.EdDSA },
  { ...ed25519, alg: -19 },
  psk,
  { ...psk, keyOps: [KeyOperation.deriveKey] },
  { ...psk, keyOps: [KeyOperation.deriveBits] },
];
const isPublic = ({ kty }: CoseKey): boolean => kty !== KeyType.Symmetric;
const named = ({ kty, crv, alg, keyOps }: CoseKey): string => JSON.stringify({ kty, crv, alg, keyOps });

const sim = new Simulator();
const io = { env: sim.env('one'), store: memoryStore(), emit: () => {} };
/** Whoever comes to open a session has not failed before. */
const sessions: DtlsSessions<Peer> = { authenticate: () => () => {}, connect: () => Promise.reject(new RangeError('a session')), end: () => 0 };
const profile = (options: Omit<DtlsProfileOptions, 'sessions'> = {}) => dtlsProfileWith({ sessions, ...options });

test('RFC 9201 5: an RS refuses a key that its alg or key_ops say is for something else: 4.00', async () => {
  const accept = async (coseKey: CoseKey) => {
    const rs = profile().rs!({ ...io, admit: () => assert.fail('no token comes in an identity'), forget: () => {} });
    return rs.accept({ cnf: { coseKey } }, 'as1', { token: Uint8Array.of(0xd0) });
  };
  for (const key of misfits) await assert.rejects(accept(key), { code: 'ERR_DTLS_PROFILE_KEY', responseCode: 128 }, named(key));
  for (const key of fitting) assert.ok(await accept(key), named(key));
});

test('RFC 9201 5: a client uses no key that its alg or key_ops say is for something else', async () => {
  const client = profile({ client: { ownKey: clientKey } }).client!({ ...io, request: async () => ({ code: 65, options: [], payload: new Uint8Array(0) }) });
  const target = { peer: { key: 'rs', address: '10.0.0.2', port: 5683 }, audience: 'rs1', authzInfo: ['authz-info'] };
  const establish = (coseKey: CoseKey): Promise<unknown> =>
    client.establish({ accessToken: Uint8Array.of(0xd0), ...(isPublic(coseKey) ? { rsCnf: { coseKey } } : { cnf: { coseKey } }) }, target);
  for (const key of misfits) await assert.rejects(establish(key), { code: 'ERR_DTLS_PROFILE_KEY' }, named(key));
  for (const key of fitting) await assert.rejects(establish(key), RangeError, named(key));
  const own = { accessToken: Uint8Array.of(0xd0), rsCnf: { coseKey: p256 }, cnf: { coseKey: { ...p256, alg: -25 } } };
  await assert.rejects(client.establish(own, target), { code: 'ERR_DTLS_PROFILE_KEY' });
});

test('RFC 9201 5, RFC 9200 5.8.3: unsupported_pop_key for a key of the client that its alg or key_ops say is for something else', async () => {
  const as = profile({ as: { clientKeys: { c1: [clientKey, ed25519] }, serverKeys: { rs1: serverKey } } }).as!(io);
  const bind = async (coseKey: CoseKey) =>
    as.bind({ client: 'c1', audience: 'rs1', resourceServer: 'rs1', request: { reqCnf: { coseKey } }, expiresAt: sim.env().epoch() + 100, exi: false });
  const unsupported = (error: AceError): boolean => error.error === AceErrorCode.unsupported_pop_key;
  for (const key of misfits.filter(isPublic)) await assert.rejects(bind(key), unsupported, named(key));
  for (const key of fitting.filter(isPublic)) assert.ok(await bind(key), named(key));
});

import { Code, ContentFormat } from '../../coap/index.ts';
import { emptyBytes } from '../../core/bytes.ts';
import { type CoseKey, Curve, KeyType } from '../../core/cose/index.ts';
import { type CurveKey, type CurveKeyPair, keyPair } from '../../core/crypto/index.ts';
import { type ClaimsSet, encodeClaims } from '../../core/cwt.ts';
import type { DtlsError } from '../../dtls/index.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { openPlain } from '../channel.ts';
import { ConformanceError, Nonconformity } from '../errors.ts';
import { expectCode, expectRefusal, unlessBroken } from '../expect.ts';
import { expectNoSession, expectSession, type SecureChannel } from '../secure-channel.ts';
import type { DtlsTarget, Need } from '../target.ts';
import { enterBriefly, identityOf, pskCredentials, unlessLeeway, uploadPsk, waitUntil } from './enter.ts';
import { postToken } from './establish.ts';
import { freshPsk, goodClaims, mint, type Psk, pskKey, rsOf } from './token.ts';

const needs: readonly Need[] = ['udp', 'dtls', 'rsDtls'];
const wanted = 'a session by the key of the token';

/** A token with a pre-shared key, and what a handshake shows that has the token itself as its psk_identity. */
function tokenAsIdentity(bench: Bench, claims: Partial<ClaimsSet> = {}): { readonly psk: Psk; readonly token: Uint8Array } {
  const psk = freshPsk(bench);
  return { psk, token: mint(bench, { ...goodClaims(bench, { coseKey: pskKey(psk) }), ...claims }) };
}

function expectAlert(error: DtlsError, alert: string): void {
  if (error.code !== 'ERR_DTLS_ALERT' || !error.message.includes(alert)) throw new Nonconformity(`the alert ${alert}`, error.message);
}

const uploadIn = (bench: Bench, session: SecureChannel, token: Uint8Array): ReturnType<typeof postToken> => postToken(bench, session, token, ContentFormat.Cwt);

/** A token that refers to the key of a session by its kid (RFC 9202, Section 4). */
function updateToken(bench: Bench, kid: Uint8Array, claims: Partial<ClaimsSet> = {}): Uint8Array {
  return mint(bench, { ...goodClaims(bench, { kid }), ...claims });
}

/** A raw public key of our own, and the key of the resource server that we take. */
function rawPublicKeys(bench: Bench): { readonly key: CoseKey; readonly credentials: DtlsTarget } {
  const { publicKey } = rsOf(bench);
  if (publicKey === undefined) throw new ConformanceError('ERR_CONFORMANCE_TARGET', 'expected the public key of the resource server, got none');
  const own: CurveKeyPair = keyPair(Curve.P256, bench.env.random);
  const { d: _private, ...point } = own;
  return { key: { kty: KeyType.EC2, kid: bench.env.random(4), ...point }, credentials: { rawPublicKey: { server: publicKey as CurveKey, own } } };
}

/** The DTLS profile at a resource server (RFC 9202, Sections 3.2 to 5). */
export const rsDtlsCases: readonly ConformanceCase[] = [
  {
    id: 'rs-dtls-01',
    title: 'after an upload, a handshake whose psk_identity names the kid gives a session that the token opens',
    standard: 'RFC 9202',
    section: '3.3.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const session = await expectSession(bench, pskCredentials(await uploadPsk(bench)), wanted);
      expectCode(await session.ask(rsOf(bench).allowed), Code.Content);
    },
  },
  {
    id: 'rs-dtls-02',
    title: 'a handshake whose psk_identity is the token gives a session without any upload',
    standard: 'RFC 9202',
    section: '3.3.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const { psk, token } = tokenAsIdentity(bench);
      const session = await expectSession(bench, { psk: { identity: token, key: psk.k } }, wanted);
      expectCode(await session.ask(rsOf(bench).allowed), Code.Content);
    },
  },
  {
    id: 'rs-dtls-03',
    title: 'who knows the kid but not the key gets no session',
    standard: 'RFC 9202',
    section: '3.4',
    level: 'MUST',
    needs,
    async run(bench) {
      const { kid } = await uploadPsk(bench);
      await expectNoSession(bench, { psk: { identity: identityOf(kid), key: bench.env.random(16) } }, 'no session under another key');
    },
  },
  {
    id: 'rs-dtls-04',
    title: 'a psk_identity that names an unknown kid ends the handshake with illegal_parameter',
    standard: 'RFC 9202',
    section: '3.3.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const error = await expectNoSession(bench, pskCredentials(freshPsk(bench)), 'no session without a token');
      expectAlert(error, 'illegal_parameter');
    },
  },
  {
    id: 'rs-dtls-05',
    title: 'a psk_identity that is no CBOR ends the handshake with illegal_parameter',
    standard: 'RFC 9202',
    section: '3.3.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const psk = { identity: Uint8Array.of(0xff, 0x00, 0xff), key: bench.env.random(16) };
      expectAlert(await expectNoSession(bench, { psk }, 'no session without a token'), 'illegal_parameter');
    },
  },
  {
    id: 'rs-dtls-06',
    title: 'a token that has expired is no psk_identity',
    standard: 'RFC 9202',
    section: '3.3.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const { psk, token } = tokenAsIdentity(bench, { exp: Math.floor(bench.env.epoch()) - 3600 });
      await expectNoSession(bench, { psk: { identity: token, key: psk.k } }, 'no session by a token that has expired');
    },
  },
  {
    id: 'rs-dtls-07',
    title: 'a token for another audience is no psk_identity',
    standard: 'RFC 9202',
    section: '3.3.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const { psk, token } = tokenAsIdentity(bench, { aud: 'conformance-other-audience' });
      await expectNoSession(bench, { psk: { identity: token, key: psk.k } }, 'no session by a token for another audience');
    },
  },
  {
    id: 'rs-dtls-08',
    title: 'claims that nothing protects are no token: a psk_identity that holds the key itself opens nothing',
    standard: 'RFC 9202',
    section: '3.3.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const psk = freshPsk(bench);
      const identity = encodeClaims(goodClaims(bench, { coseKey: pskKey(psk) }));
      await expectNoSession(bench, { psk: { identity, key: psk.k } }, 'no session by a key that no AS vouches for');
    },
  },
  {
    id: 'rs-dtls-09',
    title: 'a token uploaded in the session, for its key by kid, changes the rights of the session',
    standard: 'RFC 9202',
    section: '4',
    level: 'MUST',
    needs: [...needs, 'rsForbidden', 'rsOtherScope'],
    async run(bench) {
      const psk = await uploadPsk(bench);
      const { forbidden = '', otherScope = '' } = rsOf(bench);
      const session = await expectSession(bench, pskCredentials(psk), wanted);
      expectCode(await session.ask(forbidden), Code.Forbidden);
      expectCode(await uploadIn(bench, session, updateToken(bench, psk.kid, { scope: otherScope })), Code.Created);
      expectCode(await session.ask(forbidden), Code.Content);
    },
  },
  {
    id: 'rs-dtls-10',
    title: 'a token for another key does not change the rights of the session that it is uploaded in',
    standard: 'RFC 9202',
    section: '4',
    level: 'MUST',
    needs: [...needs, 'rsForbidden', 'rsOtherScope'],
    async run(bench) {
      const { forbidden = '', otherScope = '' } = rsOf(bench);
      const session = await expectSession(bench, pskCredentials(await uploadPsk(bench)), wanted);
      const { token } = tokenAsIdentity(bench, { scope: otherScope });
      await uploadIn(bench, session, token);
      expectRefusal(await session.ask(forbidden), 'no rights by a token for another key');
    },
  },
  {
    id: 'rs-dtls-11',
    title: 'a session ends with its last token: nothing is served in it any more',
    standard: 'RFC 9202',
    section: '5',
    level: 'MUST',
    needs,
    async run(bench) {
      const { opened: credentials, exp } = await enterBriefly(bench, async (end) => {
        const own = pskCredentials(await uploadPsk(bench, { exp: end }));
        await expectSession(bench, own, wanted);
        return own;
      });
      await waitUntil(bench, exp + 0.2);
      await unlessLeeway(bench, () => expectNoSession(bench, credentials, 'no session by a token that has expired'));
    },
  },
  {
    id: 'rs-dtls-12',
    title: 'an empty psk_identity gives no session',
    standard: 'RFC 9202',
    section: '3.3.2',
    level: 'MUST',
    needs,
    async run(bench) {
      await expectNoSession(bench, { psk: { identity: emptyBytes, key: bench.env.random(16) } }, 'no session without a token');
    },
  },
  {
    id: 'rs-dtls-rpk-01',
    title: 'after an upload of a token with our raw public key, a handshake by it gives a session that the token opens',
    standard: 'RFC 9202',
    section: '3.2.2',
    level: 'MUST',
    needs: [...needs, 'rsKey'],
    async run(bench) {
      const { key, credentials } = rawPublicKeys(bench);
      const token = mint(bench, goodClaims(bench, { coseKey: key }));
      expectCode(await postToken(bench, await openPlain(bench), token, ContentFormat.Cwt), Code.Created);
      const session = await expectSession(bench, credentials, 'a session by raw public keys');
      expectCode(await session.ask(rsOf(bench).allowed), Code.Content);
    },
  },
  {
    id: 'rs-dtls-rpk-02',
    title: 'a raw public key that no token has opens nothing: no session, or 4.01 in it',
    standard: 'RFC 9202',
    section: '3.4',
    level: 'MUST',
    needs: [...needs, 'rsKey'],
    async run(bench) {
      const { credentials } = rawPublicKeys(bench);
      const session = await unlessBroken(expectSession(bench, credentials, 'a session'));
      if (session !== undefined) expectCode(await session.ask(rsOf(bench).allowed), Code.Unauthorized);
    },
  },
  {
    id: 'rs-dtls-rpk-03',
    title: 'a token for a raw public key changes the rights of its session when it comes in it',
    standard: 'RFC 9202',
    section: '4',
    level: 'MUST',
    needs: [...needs, 'rsKey', 'rsForbidden', 'rsOtherScope'],
    async run(bench) {
      const { key, credentials } = rawPublicKeys(bench);
      const { forbidden = '', otherScope = '' } = rsOf(bench);
      const token = mint(bench, goodClaims(bench, { coseKey: key }));
      expectCode(await postToken(bench, await openPlain(bench), token, ContentFormat.Cwt), Code.Created);
      const session = await expectSession(bench, credentials, 'a session by raw public keys');
      expectCode(await session.ask(forbidden), Code.Forbidden);
      expectCode(await uploadIn(bench, session, mint(bench, { ...goodClaims(bench, { coseKey: key }), scope: otherScope })), Code.Created);
      expectCode(await session.ask(forbidden), Code.Content);
    },
  },
];

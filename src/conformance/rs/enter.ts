import { Code } from '../../coap/index.ts';
import { encode } from '../../core/cbor.ts';
import { KeyType } from '../../core/cose/index.ts';
import { type ClaimsSet, cwtClaims, encodeConfirmation } from '../../core/cwt.ts';
import type { Bench } from '../bench.ts';
import { type Channel, openPlain } from '../channel.ts';
import { Nonconformity, NotApplicable } from '../errors.ts';
import { expectCode } from '../expect.ts';
import { expectSession } from '../secure-channel.ts';
import type { DtlsTarget } from '../target.ts';
import { establish, postToken } from './establish.ts';
import { freshMaterial, freshPsk, goodClaims, lifetime, materialMap, mint, type Psk, pskKey, rsOf, uploadOf } from './token.ts';

/** The psk_identity that names an uploaded token by the kid of its key. @see https://www.rfc-editor.org/rfc/rfc9202#section-3.3.2 */
export function identityOf(kid: Uint8Array): Uint8Array {
  return encode(new Map([[cwtClaims.cnf.label, encodeConfirmation({ coseKey: { kty: KeyType.Symmetric, kid } })]]));
}

export function pskCredentials({ kid, k }: Psk): DtlsTarget {
  return { psk: { identity: identityOf(kid), key: k } };
}

/** Upload a token with a fresh pre-shared key that the resource server has to take. @throws {Nonconformity} */
export async function uploadPsk(bench: Bench, claims: Partial<ClaimsSet> = {}): Promise<Psk> {
  const psk = freshPsk(bench);
  const token = mint(bench, { ...goodClaims(bench, { coseKey: pskKey(psk) }), ...claims });
  const { payload, contentFormat } = uploadOf(bench, token);
  expectCode(await postToken(bench, await openPlain(bench), payload, contentFormat), Code.Created);
  return psk;
}

/** A channel with a token: whatever the profile, what comes through it is authorized by these claims. @throws {Nonconformity} */
export async function enter(bench: Bench, claims: Partial<ClaimsSet> = {}): Promise<Channel> {
  if (rsOf(bench).profile === 'coap_oscore') return (await establish(bench, { claims })).session;
  if (bench.target.coaps === undefined) throw new NotApplicable('no address over DTLS is known');
  return expectSession(bench, pskCredentials(await uploadPsk(bench, claims)), 'a session by the key of the token');
}

/** Seconds that a token lives at the least which is to be seen to end: the second, where a clock that is ahead has ended the first. */
const shortLives = [2, 15];

/** What was opened by a token, and the end of that in seconds since 1970. */
export interface Brief<T> {
  readonly opened: T;
  readonly exp: number;
}

/**
 * Open something by a token that is seen to end soon, and see that it is open. A target whose clock is ahead may refuse such a token, and any other that has ended
 * there.
 *
 * @throws {NotApplicable} it takes a token that lives longer than the checker waits
 * @throws {Nonconformity}
 */
export async function enterBriefly<T>(bench: Bench, open: (exp: number) => Promise<T>): Promise<Brief<T>> {
  const refusals: Nonconformity[] = [];
  for (const life of [...shortLives, lifetime]) {
    const exp = Math.ceil(bench.env.epoch()) + life;
    let opened: T;
    try {
      opened = await open(exp);
    } catch (error) {
      if (!(error instanceof Nonconformity)) throw error;
      refusals.push(error);
      continue;
    }
    if (life === lifetime) throw new NotApplicable('the clock of the target is so far ahead that it takes no token that is seen to end');
    return { opened, exp };
  }
  throw refusals[0]!;
}

/** Whether a token is taken that has expired so many seconds ago. */
async function isTaken(bench: Bench, ago: number): Promise<boolean> {
  const cnf = rsOf(bench).profile === 'coap_dtls' ? { coseKey: pskKey(freshPsk(bench)) } : { osc: materialMap(freshMaterial(bench)) };
  const token = mint(bench, { ...goodClaims(bench, cnf), exp: Math.floor(bench.env.epoch()) - ago });
  const { payload, contentFormat } = uploadOf(bench, token);
  return (await postToken(bench, await openPlain(bench), payload, contentFormat)).code === Code.Created;
}

/**
 * Look at the end of a token. A target that takes another one which has just expired, and none that did an hour ago, has a leeway for clocks that do not agree, or such
 * a clock (RFC 7519, Section 4.1.4): its tokens end later than the checker waits.
 *
 * @throws {NotApplicable} it is such a one, and `look` accuses it
 */
export async function unlessLeeway<T>(bench: Bench, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Nonconformity && (await isTaken(bench, 1)) && !(await isTaken(bench, 3600)))
      throw new NotApplicable('the target takes tokens for a while after their end, as for clocks that do not agree');
    throw error;
  }
}

/** Let the time of day come. */
export async function waitUntil(bench: Bench, epoch: number): Promise<void> {
  const left = (epoch - bench.env.epoch()) * 1000;
  if (left > 0) await bench.pause(left);
}

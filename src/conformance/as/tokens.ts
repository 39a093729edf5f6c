import { AceErrorCode, type Scope, scopeText } from '../../ace/index.ts';
import { codeClass, OptionNumber, uintOf } from '../../coap/index.ts';
import { equalBytes, toHex } from '../../core/bytes.ts';
import { type CborValue, decode, Tagged } from '../../core/cbor.ts';
import { CoseTag, KeyType } from '../../core/cose/index.ts';
import { type ClaimsSet, openCwt } from '../../core/cwt.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { ConformanceError, Nonconformity, NotApplicable } from '../errors.ts';
import { readBy } from '../expect.ts';
import { askToken, asOf, expectError, expectGranted, Label, type Parameters, profileNumber, usual } from './channel.ts';

const rfc9200 = { standard: 'RFC 9200', needs: ['as'] } as const;

/** A token for what the client may have, asked for with more parameters. @throws {Nonconformity} it is not given */
export async function granted(bench: Bench, ...more: Parameters): Promise<ReturnType<typeof expectGranted>> {
  return expectGranted(await askToken(bench, [...usual(bench), ...more]));
}

/** What the token says, for who has its key. @throws {Nonconformity} it does not open */
export function claimsOf(bench: Bench, token: Uint8Array): ClaimsSet {
  const { tokenKey } = asOf(bench);
  if (tokenKey === undefined) throw new ConformanceError('ERR_CONFORMANCE_TARGET', 'expected the key of the tokens, got none');
  return readBy(() => openCwt(token, [tokenKey]).claims, 'a CWT that the key of its resource server opens');
}

/** What a token response says, and what the token (RFC 9200, Section 5.8.2; RFC 9201). */
export const asTokenCases: readonly ConformanceCase[] = [
  {
    id: 'as-token-01',
    title: 'a good request is answered by 2.01 with a map of Content-Format 19 that has an access token',
    section: '5.8.2',
    level: 'MUST',
    ...rfc9200,
    async run(bench) {
      await granted(bench);
    },
  },
  {
    id: 'as-token-02',
    title: 'client_credentials is what a request without grant_type means: naming it makes no difference',
    section: '5.8.1',
    level: 'MUST',
    ...rfc9200,
    async run(bench) {
      await granted(bench, [Label.grantType, 2]);
    },
  },
  {
    id: 'as-token-03',
    title: 'a parameter that nobody knows is passed over',
    standard: 'RFC 6749',
    section: '3.2',
    level: 'MUST',
    needs: ['as'],
    async run(bench) {
      await granted(bench, [-70_000, 'x']);
    },
  },
  {
    id: 'as-token-04',
    title: 'ace_profile is in the response when the request has it as null, and it is the number of the profile',
    section: '5.8.2',
    level: 'MUST',
    ...rfc9200,
    async run(bench) {
      const { map } = await granted(bench, [Label.aceProfile, null]);
      const profile = map.get(Label.aceProfile);
      const wanted = profileNumber(bench);
      if (profile !== wanted) throw new Nonconformity(`ace_profile ${wanted}`, profile === undefined ? 'none' : `${profile}`);
    },
  },
  {
    id: 'as-token-05',
    title: 'the client is told how long the token is good (expires_in)',
    section: '5.10.4',
    level: 'SHOULD',
    ...rfc9200,
    async run(bench) {
      const { response } = await granted(bench);
      if (response.expiresIn === undefined) throw new Nonconformity('expires_in', 'none');
    },
  },
  {
    id: 'as-token-06',
    title: 'token_type, where it is there, is PoP (2) as a number',
    section: '5.8.4.2',
    level: 'MUST',
    ...rfc9200,
    async run(bench) {
      const { response } = await granted(bench);
      if (response.tokenType !== undefined && response.tokenType !== 2) throw new Nonconformity('token_type 2', `${response.tokenType}`);
    },
  },
  {
    id: 'as-token-07',
    title: 'a request without scope gets a default one, which the response names, or invalid_scope',
    standard: 'RFC 6749',
    section: '3.3',
    level: 'MUST',
    needs: ['as'],
    async run(bench) {
      const answer = await askToken(
        bench,
        usual(bench).filter(([label]) => label !== Label.scope),
      );
      if (codeClass(answer.code) === 4) expectError(answer, AceErrorCode.invalid_scope, AceErrorCode.invalid_request);
      else if (expectGranted(answer).response.scope === undefined) throw new Nonconformity('scope, which the client has not named', 'none');
    },
  },
  {
    id: 'as-token-08',
    title: 'a scope of which the client may have a part gets that part, which the response names, or invalid_scope',
    standard: 'RFC 6749',
    section: '3.3',
    level: 'MUST',
    needs: ['as', 'asForbiddenScope'],
    async run(bench) {
      const { audience, scope, forbiddenScope } = asOf(bench);
      const asked = `${scope} ${forbiddenScope}`;
      const answer = await askToken(bench, [
        [Label.audience, audience],
        [Label.scope, asked],
      ]);
      if (codeClass(answer.code) === 4) {
        expectError(answer, AceErrorCode.invalid_scope);
        return;
      }
      const { response } = expectGranted(answer);
      if (response.scope === undefined || response.scope === asked)
        throw new Nonconformity('a narrower scope in the response', response.scope === undefined ? 'none' : asked);
    },
  },
  {
    id: 'as-token-09',
    title: 'rs_cnf is not there for a symmetric key',
    standard: 'RFC 9201',
    section: '3.2',
    level: 'MUST',
    needs: ['as'],
    async run(bench) {
      const { response } = await granted(bench);
      const isSymmetric = response.cnf?.osc !== undefined || response.cnf?.coseKey?.kty === KeyType.Symmetric;
      if (isSymmetric && response.rsCnf !== undefined) throw new Nonconformity('no rs_cnf', 'one');
    },
  },
  {
    id: 'as-token-10',
    title: 'a token that holds a symmetric key is a COSE_Encrypt0 or COSE_Encrypt',
    standard: 'RFC 8747',
    section: '3.2',
    level: 'MUST',
    needs: ['as', 'asTokenKey'],
    async run(bench) {
      const { response } = await granted(bench);
      const { cnf } = claimsOf(bench, response.accessToken);
      if (cnf?.osc === undefined && cnf?.coseKey?.k === undefined) throw new NotApplicable('the token holds no symmetric key');
      const tag = coseTagOf(response.accessToken);
      if (tag !== CoseTag.Encrypt0 && tag !== CoseTag.Encrypt) throw new Nonconformity('an encrypted token', `COSE tag ${tag}`);
    },
  },
  {
    id: 'as-token-11',
    title: 'the token says audience, scope and end as the response does',
    section: '5.10',
    level: 'MUST',
    standard: 'RFC 9200',
    needs: ['as', 'asTokenKey'],
    async run(bench) {
      const { audience, scope } = asOf(bench);
      const { response } = await granted(bench);
      const claims = claimsOf(bench, response.accessToken);
      const audiences = typeof claims.aud === 'string' ? [claims.aud] : claims.aud;
      if (audiences !== undefined && !audiences.includes(audience)) throw new Nonconformity(`aud ${audience}`, audiences.join(', '));
      const given = response.scope ?? scope;
      if (claims.scope === undefined || !isSameScope(claims.scope, given))
        throw new Nonconformity(`scope ${scopeText(given)}`, claims.scope === undefined ? 'none' : scopeText(claims.scope));
      // By the clock of the AS alone: what the one of the checker shows is nothing that they have to agree on.
      const life = claims.exp === undefined || claims.iat === undefined ? undefined : claims.exp - claims.iat;
      if (life !== undefined && response.expiresIn !== undefined && Math.abs(life - response.expiresIn) > 10)
        throw new Nonconformity(`exp ${response.expiresIn} s after iat, as expires_in has it`, `${Math.round(life)} s after it`);
      if (claims.exp === undefined && claims.exi === undefined) throw new Nonconformity('a token that ends (exp or exi)', 'neither');
    },
  },
  {
    id: 'as-token-12',
    title: 'the cnonce of a request is in the token',
    section: '5.8.4.4',
    level: 'MUST',
    standard: 'RFC 9200',
    needs: ['as', 'asTokenKey'],
    async run(bench) {
      const cnonce = bench.env.random(8);
      const { response } = await granted(bench, [Label.cnonce, cnonce]);
      const got = claimsOf(bench, response.accessToken).cnonce;
      if (got === undefined || !equalBytes(got, cnonce)) throw new Nonconformity(`cnonce ${toHex(cnonce)}`, got === undefined ? 'none' : toHex(got));
    },
  },
  {
    id: 'as-token-13',
    title: 'Max-Age is not longer than expires_in',
    standard: 'RFC 9202',
    section: '3.2.1',
    level: 'SHOULD',
    needs: ['as'],
    async run(bench) {
      const answer = await askToken(bench, usual(bench));
      const { response } = expectGranted(answer);
      const maxAge = uintOf(answer.options, OptionNumber.MaxAge) ?? 60;
      if (response.expiresIn !== undefined && maxAge > response.expiresIn) throw new Nonconformity(`Max-Age of at most ${response.expiresIn}`, `${maxAge}`);
    },
  },
  {
    id: 'as-token-14',
    title: 'every header of the token is protected, and it has tag 61 and a COSE tag in shortest form, where the AS has a token revocation list',
    standard: 'RFC 9770',
    section: '3',
    level: 'MUST',
    needs: ['as', 'trl'],
    async run(bench) {
      const { response } = await granted(bench);
      const [first, second] = response.accessToken;
      if (first !== 0xd8 || second !== 61 || response.accessToken[2]! >> 5 !== 6)
        throw new Nonconformity('tag 61 and a COSE tag', toHex(response.accessToken.subarray(0, 3)));
      const unprotected = unprotectedOf(response.accessToken);
      if (!(unprotected instanceof Map) || unprotected.size > 0) throw new Nonconformity('an empty unprotected header', 'another');
    },
  },
];

/** Whether two scopes can say the same: a text is a set of words, in no order (RFC 6749, Section 3.3), and what a text means in bytes is for AS and RS to know. */
export function isSameScope(one: Scope, other: Scope): boolean {
  if (typeof one !== 'string' && typeof other !== 'string') return equalBytes(one, other);
  if (typeof one !== 'string' || typeof other !== 'string') return true;
  const [words, others] = [one, other].map((text) => new Set(text.split(' ').filter((word) => word !== '')));
  return words!.size === others!.size && [...words!].every((word) => others!.has(word));
}

/** The COSE object of a token, without tag 61. */
function coseOf(token: Uint8Array): Tagged | undefined {
  const value = readBy(() => decode(token), 'a token of CBOR');
  const inner = value instanceof Tagged && value.tag === 61 ? value.value : value;
  return inner instanceof Tagged ? inner : undefined;
}

function coseTagOf(token: Uint8Array): number | bigint | undefined {
  return coseOf(token)?.tag;
}

function unprotectedOf(token: Uint8Array): CborValue | undefined {
  const array = coseOf(token)?.value;
  return Array.isArray(array) ? (array as readonly CborValue[])[1] : undefined;
}

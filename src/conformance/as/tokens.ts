import { AceErrorCode } from '../../ace/index.ts';
import { codeClass, OptionNumber, uintOf } from '../../coap/index.ts';
import { equalBytes, toHex } from '../../core/bytes.ts';
import { type CborMap, type CborValue, decode, Tagged } from '../../core/cbor.ts';
import { CoseTag, encodeCoseKey, KeyType } from '../../core/cose/index.ts';
import { type ClaimsSet, type Confirmation, openCwt } from '../../core/cwt.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { ConformanceError, Nonconformity, NotApplicable } from '../errors.ts';
import { expectBytes, readBy } from '../expect.ts';
import { askToken, asOf, expectError, expectGranted, Label, type Parameters, profileNumber, usual } from './channel.ts';

const rfc9200 = { standard: 'RFC 9200', needs: ['as'] } as const;

async function granted(bench: Bench, ...more: Parameters): Promise<ReturnType<typeof expectGranted>> {
  return expectGranted(await askToken(bench, [...usual(bench), ...more]));
}

/** What the token says, for who has its key. @throws {Nonconformity} it does not open */
function claimsOf(bench: Bench, token: Uint8Array): ClaimsSet {
  const { tokenKey } = asOf(bench);
  if (tokenKey === undefined) throw new ConformanceError('ERR_CONFORMANCE_TARGET', 'expected the key of the tokens, got none');
  return readBy(() => openCwt(token, [tokenKey]).claims, 'a CWT that the key of its resource server opens');
}

/** The OSCORE_Input_Material of a response. @throws {Nonconformity} */
function materialOf({ cnf }: { readonly cnf?: Confirmation }): CborMap {
  if (cnf?.osc === undefined) throw new Nonconformity('an OSCORE_Input_Material (osc) in cnf', cnf === undefined ? 'no cnf' : 'another method');
  return cnf.osc;
}

/** The symmetric key of a response. @throws {Nonconformity} */
function pskOf({ cnf }: { readonly cnf?: Confirmation }): { readonly kid: Uint8Array; readonly k: Uint8Array } {
  const { kty, kid, k } = cnf?.coseKey ?? {};
  if (kty !== KeyType.Symmetric || kid === undefined || k === undefined) throw new Nonconformity('a symmetric COSE_Key with kid and k in cnf', 'another cnf');
  return { kid, k };
}

const reqCnf = (kid: Uint8Array): Parameters => [[Label.reqCnf, new Map<number, CborValue>([[3, kid]])]];

/** What a token response says, and what the token (RFC 9200, Section 5.8.2; RFC 9201; RFC 9202, Section 3; RFC 9203, Section 3). */
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
      if (claims.scope !== given) throw new Nonconformity(`scope ${given}`, `${claims.scope}`);
      const end = claims.exp === undefined ? undefined : claims.exp - bench.env.epoch();
      if (end !== undefined && response.expiresIn !== undefined && Math.abs(end - response.expiresIn) > 10)
        throw new Nonconformity(`exp in ${response.expiresIn} s, as expires_in has it`, `in ${Math.round(end)} s`);
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
  {
    id: 'as-osc-01',
    title: 'the response has an OSCORE_Input_Material with id and Master Secret',
    standard: 'RFC 9203',
    section: '3.2',
    level: 'MUST',
    needs: ['as', 'asOscore'],
    async run(bench) {
      const osc = materialOf((await granted(bench)).response);
      expectBytes(osc, 0, 'id');
      expectBytes(osc, 2, 'ms');
    },
  },
  {
    id: 'as-osc-02',
    title: 'each token has an input material of its own: neither id nor Master Secret come twice',
    standard: 'RFC 9203',
    section: '3.2',
    level: 'MUST',
    needs: ['as', 'asOscore'],
    async run(bench) {
      const seen = new Set<string>();
      for (let count = 0; count < 4; count++) {
        const osc = materialOf((await granted(bench)).response);
        for (const text of [`id ${toHex(expectBytes(osc, 0, 'id'))}`, `ms ${toHex(expectBytes(osc, 2, 'ms'))}`]) {
          if (seen.has(text))
            throw new Nonconformity('an id and a Master Secret of its own', text.startsWith('id') ? `${text} again` : 'a Master Secret again');
          seen.add(text);
        }
      }
    },
  },
  {
    id: 'as-osc-03',
    title: 'the token has the input material of the response',
    standard: 'RFC 9203',
    section: '3.2',
    level: 'MUST',
    needs: ['as', 'asOscore', 'asTokenKey'],
    async run(bench) {
      const { response } = await granted(bench);
      const told = materialOf(response);
      const inside = materialOf(claimsOf(bench, response.accessToken));
      for (const [label, name] of [
        [0, 'id'],
        [2, 'ms'],
      ] as const)
        if (!equalBytes(expectBytes(told, label, name), expectBytes(inside, label, name)))
          throw new Nonconformity(`${name} of the response in the token`, 'another');
    },
  },
  {
    id: 'as-osc-04',
    title: 'an update of rights, by the id of the input material as kid in req_cnf, has no cnf in the response',
    standard: 'RFC 9203',
    section: '3.2',
    level: 'MUST',
    needs: ['as', 'asOscore'],
    async run(bench) {
      const id = expectBytes(materialOf((await granted(bench)).response), 0, 'id');
      const { response } = await granted(bench, ...reqCnf(id));
      if (response.cnf !== undefined) throw new Nonconformity('no cnf', 'one');
    },
  },
  {
    id: 'as-osc-05',
    title: 'the token of an update has the id of the input material as kid in cnf',
    standard: 'RFC 9203',
    section: '3.2',
    level: 'MUST',
    needs: ['as', 'asOscore', 'asTokenKey'],
    async run(bench) {
      const id = expectBytes(materialOf((await granted(bench)).response), 0, 'id');
      const { response } = await granted(bench, ...reqCnf(id));
      const { cnf } = claimsOf(bench, response.accessToken);
      if (cnf?.kid === undefined || !equalBytes(cnf.kid, id))
        throw new Nonconformity(`kid ${toHex(id)} in cnf`, cnf?.kid === undefined ? 'none' : toHex(cnf.kid));
    },
  },
  {
    id: 'as-psk-01',
    title: 'the response has a symmetric COSE_Key with kid and key',
    standard: 'RFC 9202',
    section: '3.3.1',
    level: 'MUST',
    needs: ['as', 'asDtls'],
    async run(bench) {
      pskOf((await granted(bench)).response);
    },
  },
  {
    id: 'as-psk-02',
    title: 'each token has a key of its own: neither kid nor key come twice',
    standard: 'RFC 9202',
    section: '3.3.1',
    level: 'MUST',
    needs: ['as', 'asDtls'],
    async run(bench) {
      const [first, second] = [pskOf((await granted(bench)).response), pskOf((await granted(bench)).response)];
      if (equalBytes(first.kid, second.kid)) throw new Nonconformity('a kid of its own', `${toHex(first.kid)} twice`);
      if (equalBytes(first.k, second.k)) throw new Nonconformity('a key of its own', 'the same key twice');
    },
  },
  {
    id: 'as-psk-03',
    title: 'an update of rights, by kid in req_cnf, is for the same key: the token has its kid',
    standard: 'RFC 9202',
    section: '4',
    level: 'MUST',
    needs: ['as', 'asDtls', 'asTokenKey'],
    async run(bench) {
      const { kid } = pskOf((await granted(bench)).response);
      const { response } = await granted(bench, ...reqCnf(kid));
      const { cnf } = claimsOf(bench, response.accessToken);
      const got = cnf?.kid ?? cnf?.coseKey?.kid;
      if (got === undefined || !equalBytes(got, kid)) throw new Nonconformity(`kid ${toHex(kid)} in cnf`, got === undefined ? 'none' : toHex(got));
    },
  },
  {
    id: 'as-psk-04',
    title: 'a kid in req_cnf of no key of this client is unsupported_pop_key, or gets a token for a new key',
    standard: 'RFC 9202',
    section: '4',
    level: 'MUST',
    needs: ['as', 'asDtls'],
    async run(bench) {
      const kid = bench.env.random(8);
      const answer = await askToken(bench, [...usual(bench), ...reqCnf(kid)]);
      if (codeClass(answer.code) === 4) expectError(answer, AceErrorCode.unsupported_pop_key);
      else if (equalBytes(pskOf(expectGranted(answer).response).kid, kid)) throw new Nonconformity('a new key', 'one with the kid that was asked for');
    },
  },
  {
    id: 'as-rpk-01',
    title: 'a token for the raw public key of the client is bound to it, and the response names the key of the resource server',
    standard: 'RFC 9202',
    section: '3.2.1',
    level: 'MUST',
    needs: ['as', 'asDtls', 'asOwnKey', 'asTokenKey'],
    async run(bench) {
      const { response } = await granted(bench, [Label.reqCnf, new Map<number, CborValue>([[1, ownKeyMap(bench)]])]);
      const { cnf } = claimsOf(bench, response.accessToken);
      const { x } = asOf(bench).dtls!.rawPublicKey!.own!;
      if (cnf?.coseKey?.x === undefined || !equalBytes(cnf.coseKey.x, x)) throw new Nonconformity('our public key in cnf of the token', 'another cnf');
      if (response.rsCnf === undefined) throw new Nonconformity('rs_cnf, as the client cannot be known to have the key', 'none');
    },
  },
];

/** Our own raw public key as a COSE_Key. */
function ownKeyMap(bench: Bench): CborValue {
  const { crv, x, y } = asOf(bench).dtls!.rawPublicKey!.own!;
  const kty = y === undefined ? KeyType.OKP : KeyType.EC2;
  return decode(encodeCoseKey({ kty, crv, x, ...(y === undefined ? {} : { y }) }));
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

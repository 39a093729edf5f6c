import { AceErrorCode } from '../../ace/index.ts';
import { codeClass } from '../../coap/index.ts';
import { equalBytes, toHex } from '../../core/bytes.ts';
import { type CborMap, type CborValue, decode } from '../../core/cbor.ts';
import { encodeCoseKey, KeyType } from '../../core/cose/index.ts';
import type { Confirmation } from '../../core/cwt.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { Nonconformity } from '../errors.ts';
import { expectBytes } from '../expect.ts';
import { askToken, asOf, expectError, expectGranted, Label, type Parameters, usual } from './channel.ts';
import { claimsOf, granted } from './tokens.ts';

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

/** Our own raw public key as a COSE_Key. */
function ownKeyMap(bench: Bench): CborValue {
  const { crv, x, y } = asOf(bench).dtls!.rawPublicKey!.own!;
  const kty = y === undefined ? KeyType.OKP : KeyType.EC2;
  return decode(encodeCoseKey({ kty, crv, x, ...(y === undefined ? {} : { y }) }));
}

/** What a token is bound to, by profile (RFC 9202, Section 3; RFC 9203, Section 3). */
export const asKeyCases: readonly ConformanceCase[] = [
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

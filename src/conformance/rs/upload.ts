import { Code, codeClass, Method } from '../../coap/index.ts';
import { emptyBytes, utf8 } from '../../core/bytes.ts';
import { type CborMap, type CborValue, encode } from '../../core/cbor.ts';
import type { ClaimsSet } from '../../core/cwt.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase, Level } from '../case.ts';
import { openPlain } from '../channel.ts';
import { codeText } from '../code-text.ts';
import { Nonconformity } from '../errors.ts';
import { expectCode } from '../expect.ts';
import type { Need } from '../target.ts';
import { postToken } from './establish.ts';
import { authzInfoOf, freshMaterial, freshPsk, goodClaims, materialMap, mint, pskKey, rsOf, strangeKey, uploadOf } from './token.ts';

/** The claims of a good token, whose key nobody is going to use. */
function claimsFor(bench: Bench): ClaimsSet {
  return goodClaims(bench, rsOf(bench).profile === 'coap_dtls' ? { coseKey: pskKey(freshPsk(bench)) } : { osc: materialMap(freshMaterial(bench)) });
}

/** Bytes for authz-info, with what is wrong with them. */
type Bad = (bench: Bench) => Uint8Array;

interface BadToken {
  readonly id: string;
  readonly title: string;
  readonly section: string;
  readonly code: number;
  readonly level?: Level;
  readonly needs?: readonly Need[];
  readonly token: Bad;
}

const withClaims =
  (change: (claims: ClaimsSet, bench: Bench) => ClaimsSet): Bad =>
  (bench) =>
    mint(bench, change(claimsFor(bench), bench));

/** Whole seconds since 1970, some seconds from now. */
const at = (bench: Bench, seconds: number): number => Math.floor(bench.env.epoch()) + seconds;

const badTokens: readonly BadToken[] = [
  {
    id: 'rs-token-01',
    title: 'a token that has expired is refused with 4.01',
    section: '5.10.1.1',
    code: Code.Unauthorized,
    token: withClaims((claims, bench) => ({ ...claims, exp: at(bench, -3600) })),
  },
  {
    id: 'rs-token-02',
    title: 'a token for another audience is refused with 4.03',
    section: '5.10.1.1',
    code: Code.Forbidden,
    token: withClaims((claims) => ({ ...claims, aud: 'conformance-other-audience' })),
  },
  {
    id: 'rs-token-03',
    title: 'a token whose iss is not the AS of its key is refused with 4.01',
    section: '5.10.1.1',
    code: Code.Unauthorized,
    token: withClaims((claims) => ({ ...claims, iss: 'coaps://conformance.example/token' })),
  },
  {
    id: 'rs-token-04',
    title: 'a token whose scope is unknown is refused with 4.00',
    section: '5.10.1.1',
    code: Code.BadRequest,
    token: withClaims((claims) => ({ ...claims, scope: 'conformance-no-such-scope' })),
  },
  {
    id: 'rs-token-05',
    title: 'a token that another key protects is refused with 4.01',
    section: '5.10.1.1',
    code: Code.Unauthorized,
    token: (bench) => mint(bench, claimsFor(bench), strangeKey(bench)),
  },
  {
    id: 'rs-token-06',
    title: 'a token with a changed byte is refused with 4.01',
    section: '5.10.1.1',
    code: Code.Unauthorized,
    token: (bench) => {
      const token = mint(bench, claimsFor(bench));
      token[token.length - 1]! ^= 1;
      return token;
    },
  },
  {
    id: 'rs-token-07',
    title: 'of several faults the first in the order of the section decides: expired and for another audience is 4.01',
    section: '5.10.1.1',
    code: Code.Unauthorized,
    token: withClaims((claims, bench) => ({ ...claims, exp: at(bench, -3600), aud: 'conformance-other-audience' })),
  },
  {
    id: 'rs-token-08',
    title: 'of several faults the first in the order of the section decides: for another audience with an unknown scope is 4.03',
    section: '5.10.1.1',
    code: Code.Forbidden,
    token: withClaims((claims) => ({ ...claims, aud: 'conformance-other-audience', scope: 'conformance-no-such-scope' })),
  },
  {
    id: 'rs-token-09',
    title: 'CBOR that is no token is refused with 4.00',
    section: '5.10.1',
    code: Code.BadRequest,
    token: () => encode(new Map<number, CborValue>([[3, 'rs']])),
  },
  {
    id: 'rs-token-10',
    title: 'bytes that are no CBOR are refused with 4.00',
    section: '5.10.1',
    code: Code.BadRequest,
    token: () => Uint8Array.of(0xff, 0xff, 0xff),
  },
  {
    id: 'rs-token-11',
    title: 'an empty token is refused with 4.00',
    section: '5.10.1',
    code: Code.BadRequest,
    token: () => emptyBytes,
  },
];

const udpRs: readonly Need[] = ['udp', 'rs'];

function badTokenCase({ id, title, section, code, level = 'MUST', needs = udpRs, token }: BadToken): ConformanceCase {
  return {
    id,
    title,
    standard: 'RFC 9200',
    section,
    level,
    needs,
    async run(bench) {
      const { payload, contentFormat } = uploadOf(bench, token(bench));
      expectCode(await postToken(bench, await openPlain(bench), payload, contentFormat), code);
    },
  };
}

/** A token that is as it should be, changed by one claim, which is no reason to refuse it. */
async function expectTaken(bench: Bench, change: (claims: ClaimsSet) => ClaimsSet): Promise<void> {
  const { payload, contentFormat } = uploadOf(bench, mint(bench, change(claimsFor(bench))));
  expectCode(await postToken(bench, await openPlain(bench), payload, contentFormat), Code.Created);
}

/** What the token itself is good for at authz-info, in every profile (RFC 9200, Section 5.10.1). */
export const rsUploadCases: readonly ConformanceCase[] = [
  {
    id: 'rs-upload-01',
    title: 'a good token is taken with 2.01',
    standard: 'RFC 9200',
    section: '5.10.1',
    level: 'MUST',
    needs: udpRs,
    run: (bench) => expectTaken(bench, (claims) => claims),
  },
  {
    id: 'rs-upload-02',
    title: 'a claim that nobody knows is passed over',
    standard: 'RFC 8392',
    section: '3',
    level: 'MUST',
    needs: udpRs,
    run: (bench) => expectTaken(bench, (claims) => ({ ...claims, unknown: new Map<number, CborValue>([[-70_000, 'x']]) as CborMap })),
  },
  {
    id: 'rs-upload-03',
    title: 'a token that is not valid yet (nbf) is refused with 4.01',
    standard: 'RFC 9200',
    section: '5.10.3',
    level: 'SHOULD',
    needs: udpRs,
    async run(bench) {
      const { payload, contentFormat } = uploadOf(bench, mint(bench, { ...claimsFor(bench), nbf: at(bench, 3600), exp: at(bench, 7200) }));
      expectCode(await postToken(bench, await openPlain(bench), payload, contentFormat), Code.Unauthorized);
    },
  },
  {
    id: 'rs-upload-04',
    title: 'a token without a key (cnf) is refused',
    standard: 'RFC 9200',
    section: '5.10.2',
    level: 'MUST',
    needs: udpRs,
    async run(bench) {
      const { cnf: _key, ...claims } = claimsFor(bench);
      const { payload, contentFormat } = uploadOf(bench, mint(bench, claims));
      const { code } = await postToken(bench, await openPlain(bench), payload, contentFormat);
      if (codeClass(code) !== 4) throw new Nonconformity('a 4.xx for a token that nobody can prove to possess', codeText(code));
    },
  },
  {
    id: 'rs-upload-05',
    title: 'an upload of an unknown Content-Format is refused with 4.15',
    standard: 'RFC 7252',
    section: '5.10.3',
    level: 'SHOULD',
    needs: udpRs,
    async run(bench) {
      const { payload } = uploadOf(bench, mint(bench, claimsFor(bench)));
      expectCode(await postToken(bench, await openPlain(bench), payload, 65_000), Code.UnsupportedContentFormat);
    },
  },
  ...badTokens.map(badTokenCase),
  ...(['GET', 'PUT', 'DELETE'] as const).map(
    (name, index): ConformanceCase => ({
      id: `rs-authz-0${index + 1}`,
      title: `${name} of authz-info is refused`,
      standard: 'RFC 9200',
      section: '5.10.1.2',
      level: 'SHOULD',
      needs: udpRs,
      async run(bench) {
        const init = name === 'PUT' ? { payload: utf8('x'), contentFormat: 0 } : {};
        const { code } = await (await openPlain(bench)).ask(authzInfoOf(bench), { code: Method[name], ...init });
        if (codeClass(code) !== 4) throw new Nonconformity('a 4.xx', codeText(code));
      },
    }),
  ),
];

import { AceErrorCode } from '../../ace/index.ts';
import { Code, Method } from '../../coap/index.ts';
import { concat, emptyBytes, utf8 } from '../../core/bytes.ts';
import { type CborValue, encode } from '../../core/cbor.ts';
import { Curve, KeyType } from '../../core/cose/index.ts';
import { keyPair } from '../../core/crypto/index.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase, Level } from '../case.ts';
import { codeText } from '../code-text.ts';
import { Nonconformity } from '../errors.ts';
import { expectRefusal } from '../expect.ts';
import type { Need } from '../target.ts';
import {
  askToken,
  asOf,
  expectError,
  expectGranted,
  expectNoToken,
  Label,
  openAs,
  openUnprotected,
  type Parameters,
  pathOf,
  postRequest,
  usual,
} from './channel.ts';

/** A request that is refused, by parameters. */
interface Refused {
  readonly id: string;
  readonly title: string;
  readonly standard?: string;
  readonly section: string;
  readonly level?: Level;
  readonly needs?: readonly Need[];
  readonly errors: readonly number[];
  readonly ask: (bench: Bench) => Parameters;
}

/** The usual request with another value of a parameter, or one more. */
function changed(bench: Bench, label: number, value: CborValue): Parameters {
  return [...usual(bench).filter(([other]) => other !== label), [label, value]];
}

/** A confirmation of the client (RFC 8747, Section 3.1): a COSE_Key, or a kid. */
const cnfOfKey = (key: ReadonlyMap<number, CborValue>): CborValue => new Map([[1, key as CborValue]]);
const cnfOfKid = (kid: Uint8Array): CborValue => new Map([[3, kid]]);

/** A public key on P-256 that nobody has seen before. */
function strangePublicKey(bench: Bench): CborValue {
  const { x, y } = keyPair(Curve.P256, bench.env.random);
  return cnfOfKey(
    new Map<number, CborValue>([
      [1, KeyType.EC2],
      [-1, Curve.P256],
      [-2, x],
      [-3, y!],
    ]),
  );
}

const refused: readonly Refused[] = [
  {
    id: 'as-err-01',
    title: 'a scope that nobody knows is invalid_scope',
    section: '5.8.3',
    errors: [AceErrorCode.invalid_scope],
    ask: (bench) => changed(bench, Label.scope, 'conformance-no-such-scope'),
  },
  {
    id: 'as-err-02',
    title: 'a scope that the client may not have is invalid_scope',
    section: '5.8.3',
    needs: ['asForbiddenScope'],
    errors: [AceErrorCode.invalid_scope],
    ask: (bench) => changed(bench, Label.scope, asOf(bench).forbiddenScope ?? ''),
  },
  {
    id: 'as-err-03',
    title: 'an audience that nobody knows is refused with 4.00 and an error code',
    section: '5.8.3',
    errors: [],
    ask: (bench) => changed(bench, Label.audience, 'conformance-no-such-audience'),
  },
  {
    id: 'as-err-04',
    title: 'a grant type that there is not is unsupported_grant_type',
    section: '5.8.3',
    errors: [AceErrorCode.unsupported_grant_type],
    ask: (bench) => changed(bench, Label.grantType, 4711),
  },
  {
    id: 'as-err-05',
    title: 'an authorization code that was never given is refused: invalid_grant, or the grant type is not for this client',
    section: '5.8.3',
    errors: [AceErrorCode.invalid_grant, AceErrorCode.unsupported_grant_type, AceErrorCode.unauthorized_client, AceErrorCode.invalid_request],
    ask: (bench) => [...usual(bench), [Label.grantType, 1], [29, bench.env.random(16)]],
  },
  {
    id: 'as-err-06',
    title: 'a refresh token that was never given is refused: invalid_grant, or the grant type is not for this client',
    section: '5.8.3',
    errors: [AceErrorCode.invalid_grant, AceErrorCode.unsupported_grant_type, AceErrorCode.unauthorized_client, AceErrorCode.invalid_request],
    ask: (bench) => [...usual(bench), [Label.grantType, 3], [Label.refreshToken, bench.env.random(16)]],
  },
  {
    id: 'as-err-07',
    title: 'an audience that is a number is invalid_request',
    section: '5.8.5',
    errors: [AceErrorCode.invalid_request],
    ask: (bench) => changed(bench, Label.audience, 17),
  },
  {
    id: 'as-err-08',
    title: 'a scope that is a number is invalid_request or invalid_scope',
    section: '5.8.5',
    errors: [AceErrorCode.invalid_request, AceErrorCode.invalid_scope],
    ask: (bench) => changed(bench, Label.scope, 17),
  },
  {
    id: 'as-err-09',
    title: 'a req_cnf that is no map is invalid_request',
    section: '5.8.5',
    errors: [AceErrorCode.invalid_request],
    ask: (bench) => changed(bench, Label.reqCnf, 'key'),
  },
  {
    id: 'as-err-10',
    title: 'a symmetric key of the client in req_cnf is refused',
    standard: 'RFC 9201',
    section: '3.1',
    level: 'SHOULD',
    errors: [],
    ask: (bench) =>
      changed(
        bench,
        Label.reqCnf,
        cnfOfKey(
          new Map<number, CborValue>([
            [1, KeyType.Symmetric],
            [-1, bench.env.random(16)],
          ]),
        ),
      ),
  },
  {
    id: 'as-err-11',
    title: 'a kid in req_cnf that names no input material of this client is invalid_request',
    standard: 'RFC 9203',
    section: '3.1',
    needs: ['asOscore'],
    errors: [AceErrorCode.invalid_request],
    ask: (bench) => changed(bench, Label.reqCnf, cnfOfKid(bench.env.random(8))),
  },
  {
    id: 'as-err-12',
    title: 'a public key for a resource server that has no use for one is unsupported_pop_key',
    section: '5.8.3',
    needs: ['asOscore'],
    errors: [AceErrorCode.unsupported_pop_key],
    ask: (bench) => changed(bench, Label.reqCnf, strangePublicKey(bench)),
  },
  {
    id: 'as-err-13',
    title: 'a public key that the client has not shown to be its own gets no token',
    standard: 'RFC 9202',
    section: '3.2.1',
    needs: ['asDtls'],
    errors: [],
    ask: (bench) => changed(bench, Label.reqCnf, strangePublicKey(bench)),
  },
  {
    id: 'as-err-14',
    title: 'a public key on a curve that there is not is refused: unsupported_pop_key, or invalid_request for who cannot read it',
    section: '5.8.3',
    errors: [AceErrorCode.unsupported_pop_key, AceErrorCode.invalid_request],
    ask: (bench) =>
      changed(
        bench,
        Label.reqCnf,
        cnfOfKey(
          new Map<number, CborValue>([
            [1, KeyType.EC2],
            [-1, 4711],
            [-2, bench.env.random(32)],
            [-3, bench.env.random(32)],
          ]),
        ),
      ),
  },
];

/** Bytes that are no token request. */
const malformed: readonly (readonly [id: string, what: string, of: (bench: Bench) => Uint8Array])[] = [
  ['as-err-15', 'bytes that are no CBOR', () => Uint8Array.of(0xff, 0xff)],
  ['as-err-16', 'a CBOR array', () => encode([1, 2])],
  ['as-err-17', 'nothing at all', () => emptyBytes],
  [
    'as-err-18',
    'a parameter that comes twice',
    (bench) => {
      const { audience, scope } = asOf(bench);
      const entry = (label: number, value: string): Uint8Array => concat(encode(label), encode(value));
      return concat(Uint8Array.of(0xa3), entry(Label.audience, audience), entry(Label.scope, scope), entry(Label.scope, scope));
    },
  ],
  ['as-err-19', 'a map that ends too early', (bench) => encode(new Map(usual(bench))).slice(0, -1)],
];

/** What the token endpoint refuses, and how (RFC 9200, Section 5.8.3). */
export const asRequestCases: readonly ConformanceCase[] = [
  ...refused.map(
    ({ id, title, standard = 'RFC 9200', section, level = 'MUST', needs = [], errors, ask }): ConformanceCase => ({
      id,
      title,
      standard,
      section,
      level,
      needs: ['as', ...needs],
      async run(bench) {
        expectError(await askToken(bench, ask(bench)), ...errors);
      },
    }),
  ),
  ...malformed.map(
    ([id, what, of]): ConformanceCase => ({
      id,
      title: `${what} in place of a token request is invalid_request`,
      standard: 'RFC 9200',
      section: '5.8.1',
      level: 'MUST',
      needs: ['as'],
      async run(bench) {
        expectError(await postRequest(bench, await openAs(bench), of(bench)), AceErrorCode.invalid_request);
      },
    }),
  ),
  {
    id: 'as-err-20',
    title: 'a token request that nothing protects gets no token',
    standard: 'RFC 9200',
    section: '5.8',
    level: 'MUST',
    needs: ['as'],
    async run(bench) {
      const answer = await postRequest(bench, await openUnprotected(bench), encode(new Map(usual(bench))));
      expectNoToken(answer, 'no token for who has not proved to be a client');
    },
  },
  {
    id: 'as-err-21',
    title: 'a token request of another Content-Format gets no token, but 4.15',
    standard: 'RFC 7252',
    section: '5.10.3',
    level: 'SHOULD',
    needs: ['as'],
    async run(bench) {
      const { code } = await postRequest(bench, await openAs(bench), utf8('grant_type=client_credentials'), { contentFormat: 0 });
      if (code !== Code.UnsupportedContentFormat) throw new Nonconformity(codeText(Code.UnsupportedContentFormat), codeText(code));
    },
  },
  ...(['GET', 'PUT', 'DELETE'] as const).map(
    (name, index): ConformanceCase => ({
      id: `as-err-${22 + index}`,
      title: `${name} of the token endpoint is refused`,
      standard: 'RFC 6749',
      section: '3.2',
      level: 'MUST',
      needs: ['as'],
      async run(bench) {
        const channel = await openAs(bench);
        expectRefusal(await channel.ask(pathOf(asOf(bench).token), { code: Method[name] }), 'a 4.xx');
      },
    }),
  ),
  {
    id: 'as-err-25',
    title: 'what was refused does the channel no harm: the next good request gets a token',
    standard: 'RFC 9200',
    section: '5.8.2',
    level: 'MUST',
    needs: ['as'],
    async run(bench) {
      const channel = await openAs(bench);
      await postRequest(bench, channel, Uint8Array.of(0xff));
      expectGranted(await postRequest(bench, channel, encode(new Map(usual(bench)))));
    },
  },
];

import { AceErrorCode, decodeIntrospectionResponse, encodeIntrospectionRequest, type IntrospectionResponse } from '../../ace/index.ts';
import { type Body, Code, ContentFormat, Method } from '../../coap/index.ts';
import { type CborValue, encode } from '../../core/cbor.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import type { Channel } from '../channel.ts';
import { Nonconformity, NotApplicable } from '../errors.ts';
import { expectCode, expectMap, expectRefusal, readBy } from '../expect.ts';
import type { AsCredentials } from '../roles.ts';
import type { Need } from '../target.ts';
import { askToken, asOf, expectError, expectGranted, openAs, openUnprotected, pathOf, usual } from './channel.ts';

const needs: readonly Need[] = ['as', 'introspect'];

/** Who introspects: the resource server where its credentials are known, or else the client. */
function introspector(bench: Bench): AsCredentials {
  const as = asOf(bench);
  return as.resourceServer ?? as;
}

function post(bench: Bench, channel: Channel, payload: Uint8Array): Promise<Body> {
  return channel.ask(pathOf(asOf(bench).introspect ?? ''), { code: Method.POST, contentFormat: ContentFormat.AceCbor, payload });
}

async function introspect(bench: Bench, token: Uint8Array): Promise<Body> {
  return post(bench, await openAs(bench, introspector(bench)), encodeIntrospectionRequest({ token }));
}

async function freshToken(bench: Bench): Promise<Uint8Array> {
  return expectGranted(await askToken(bench, usual(bench))).response.accessToken;
}

/** @throws {NotApplicable} the client may not introspect, and nothing else is known */
function expectAnswer(bench: Bench, answer: Body): IntrospectionResponse {
  if (answer.code === Code.Forbidden && asOf(bench).resourceServer === undefined)
    throw new NotApplicable('the client may not introspect, and no credentials of a resource server are known');
  expectCode(answer, Code.Created);
  expectMap(answer);
  return readBy(() => decodeIntrospectionResponse(answer.payload), 'an introspection response');
}

function expectInactive(bench: Bench, answer: Body): void {
  if (expectAnswer(bench, answer).active) throw new Nonconformity('active false', 'true');
}

/** The introspection endpoint (RFC 9200, Section 5.9). */
export const asIntrospectionCases: readonly ConformanceCase[] = [
  {
    id: 'as-intro-01',
    title: 'a token that is good is active: 2.01 with a map of Content-Format 19',
    standard: 'RFC 9200',
    section: '5.9.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const { active } = expectAnswer(bench, await introspect(bench, await freshToken(bench)));
      if (!active) throw new Nonconformity('active true', 'false');
    },
  },
  {
    id: 'as-intro-02',
    title: 'bytes that are no token are not active, which is no error',
    standard: 'RFC 9200',
    section: '5.9.3',
    level: 'MUST',
    needs,
    async run(bench) {
      expectInactive(bench, await introspect(bench, bench.env.random(40)));
    },
  },
  {
    id: 'as-intro-03',
    title: 'a token with a changed byte is not active',
    standard: 'RFC 9200',
    section: '5.9.3',
    level: 'MUST',
    needs,
    async run(bench) {
      const token = (await freshToken(bench)).slice();
      token[token.length - 1]! ^= 1;
      expectInactive(bench, await introspect(bench, token));
    },
  },
  {
    id: 'as-intro-04',
    title: 'of a token that is not active nothing else is said',
    standard: 'RFC 7662',
    section: '2.2',
    level: 'SHOULD',
    needs,
    async run(bench) {
      const answer = await introspect(bench, bench.env.random(40));
      expectInactive(bench, answer);
      const others = [...expectMap(answer).keys()].filter((key) => key !== 10);
      if (others.length > 0) throw new Nonconformity('active alone', `key ${others.join(', ')} as well`);
    },
  },
  {
    id: 'as-intro-05',
    title: 'an introspection request that nothing protects is refused with 4.01',
    standard: 'RFC 9200',
    section: '5.9.3',
    level: 'MUST',
    needs,
    async run(bench) {
      const payload = encodeIntrospectionRequest({ token: await freshToken(bench) });
      expectCode(await post(bench, await openUnprotected(bench), payload), Code.Unauthorized);
    },
  },
  {
    id: 'as-intro-06',
    title: 'a request without a token is refused with 4.00, and an error in a map of Content-Format 19',
    standard: 'RFC 9200',
    section: '5.9.1',
    level: 'MUST',
    needs,
    async run(bench) {
      const channel = await openAs(bench, introspector(bench));
      expectError(await post(bench, channel, encode(new Map<number, CborValue>())), AceErrorCode.invalid_request);
    },
  },
  {
    id: 'as-intro-07',
    title: 'bytes that are no CBOR are refused',
    standard: 'RFC 9200',
    section: '5.9.1',
    level: 'MUST',
    needs,
    async run(bench) {
      const channel = await openAs(bench, introspector(bench));
      expectRefusal(await post(bench, channel, Uint8Array.of(0xff, 0xff)), 'a 4.xx');
    },
  },
  {
    id: 'as-intro-08',
    title: 'what is said of the token agrees with what was asked for: its audience and its end',
    standard: 'RFC 9200',
    section: '5.9.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const { audience } = asOf(bench);
      const { active, aud, exp } = expectAnswer(bench, await introspect(bench, await freshToken(bench)));
      if (!active) throw new Nonconformity('active true', 'false');
      const audiences = typeof aud === 'string' ? [aud] : aud;
      if (audiences !== undefined && !audiences.includes(audience)) throw new Nonconformity(`aud ${audience}`, audiences.join(', '));
      if (exp !== undefined && exp <= bench.env.epoch()) throw new Nonconformity('exp that is to come', `${exp}`);
    },
  },
  {
    id: 'as-intro-09',
    title: 'a resource server is told the key of the token (cnf)',
    standard: 'RFC 9201',
    section: '4.1',
    level: 'MUST',
    needs: [...needs, 'resourceServer'],
    async run(bench) {
      const { active, cnf } = expectAnswer(bench, await introspect(bench, await freshToken(bench)));
      if (!active || cnf === undefined) throw new Nonconformity('cnf', active ? 'none' : 'active false');
    },
  },
];

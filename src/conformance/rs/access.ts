import { decodeHints } from '../../ace/index.ts';
import { type Body, Code, Method, OptionNumber, uintOf } from '../../coap/index.ts';
import { utf8 } from '../../core/bytes.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { openPlain } from '../channel.ts';
import { Nonconformity } from '../errors.ts';
import { expectCode, expectFormat, expectRefusal, readBy, unlessBroken } from '../expect.ts';
import type { Need } from '../target.ts';
import { enter, enterBriefly, unlessLeeway, waitUntil } from './enter.ts';
import { postToken } from './establish.ts';
import { freshMaterial, freshPsk, goodClaims, materialMap, mint, pskKey, rsOf, uploadOf } from './token.ts';

const needs: readonly Need[] = ['udp', 'rs'];

/** The answer to a GET that nothing protects. */
async function unprotectedGet(bench: Bench): Promise<Body> {
  return (await openPlain(bench)).ask(rsOf(bench).allowed);
}

/** Who may do what with which token, in every profile (RFC 9200, Sections 5.2, 5.3 and 5.10). */
export const rsAccessCases: readonly ConformanceCase[] = [
  {
    id: 'rs-access-01',
    title: 'a request that the token permits is served',
    standard: 'RFC 9200',
    section: '5.10.2',
    level: 'MUST',
    needs,
    async run(bench) {
      expectCode(await (await enter(bench)).ask(rsOf(bench).allowed), Code.Content);
    },
  },
  {
    id: 'rs-access-02',
    title: 'a request on an unsecured channel is answered by 4.01',
    standard: 'RFC 9200',
    section: '5.10.2',
    level: 'MUST',
    needs,
    async run(bench) {
      expectCode(await unprotectedGet(bench), Code.Unauthorized);
    },
  },
  {
    id: 'rs-access-03',
    title: 'an uploaded token alone opens nothing: without proof of possession it is 4.01 still',
    standard: 'RFC 9200',
    section: '5.10.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const isDtls = rsOf(bench).profile === 'coap_dtls';
      const claims = goodClaims(bench, isDtls ? { coseKey: pskKey(freshPsk(bench)) } : { osc: materialMap(freshMaterial(bench)) });
      const { payload, contentFormat } = uploadOf(bench, mint(bench, claims));
      const channel = await openPlain(bench);
      expectCode(await postToken(bench, channel, payload, contentFormat), Code.Created);
      expectCode(await channel.ask(rsOf(bench).allowed), Code.Unauthorized);
    },
  },
  {
    id: 'rs-access-04',
    title: 'a path that the token does not open is 4.03',
    standard: 'RFC 9200',
    section: '5.10.2',
    level: 'MUST',
    needs: [...needs, 'rsForbidden'],
    async run(bench) {
      expectCode(await (await enter(bench)).ask(rsOf(bench).forbidden ?? ''), Code.Forbidden);
    },
  },
  {
    id: 'rs-access-05',
    title: 'a method that the token does not permit on a path that it opens is 4.05',
    standard: 'RFC 9200',
    section: '5.10.2',
    level: 'MUST',
    needs,
    async run(bench) {
      expectCode(await (await enter(bench)).ask(rsOf(bench).allowed, { code: Method.DELETE }), Code.MethodNotAllowed);
    },
  },
  {
    id: 'rs-access-06',
    title: 'what was refused does not end the channel: the next request that the token permits is served',
    standard: 'RFC 9202',
    section: '3.4',
    level: 'SHOULD',
    needs,
    async run(bench) {
      const channel = await enter(bench);
      await channel.ask(rsOf(bench).allowed, { code: Method.DELETE });
      expectCode(await channel.ask(rsOf(bench).allowed), Code.Content);
    },
  },
  {
    id: 'rs-access-07',
    title: 'the rights of two clients stay apart: what one may, the other may not',
    standard: 'RFC 9200',
    section: '5.10.2',
    level: 'MUST',
    needs: [...needs, 'rsOtherScope'],
    async run(bench) {
      const { allowed, forbidden = '', otherScope = '' } = rsOf(bench);
      const [one, other] = [await enter(bench), await enter(bench, { scope: otherScope })];
      expectCode(await other.ask(forbidden), Code.Content);
      expectCode(await one.ask(allowed), Code.Content);
      expectCode(await one.ask(forbidden), Code.Forbidden);
    },
  },
  {
    id: 'rs-access-08',
    title: 'a path is not opened by another one that begins with it',
    standard: 'RFC 9200',
    section: '5.10.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const { code } = await (await enter(bench)).ask(`${rsOf(bench).allowed}x`);
      expectCode({ code }, Code.Forbidden, Code.NotFound);
    },
  },
  {
    id: 'rs-hints-01',
    title: '4.01 comes with AS Request Creation Hints, whose Content-Format is 19 (application/ace+cbor)',
    standard: 'RFC 9200',
    section: '5.2',
    level: 'SHOULD',
    needs,
    async run(bench) {
      const answer = await unprotectedGet(bench);
      expectCode(answer, Code.Unauthorized);
      expectFormat(answer, 19);
      readBy(() => decodeHints(answer.payload), 'AS Request Creation Hints');
    },
  },
  {
    id: 'rs-hints-02',
    title: 'the parameters of the hints have their registered keys and types, and AS is an absolute URI',
    standard: 'RFC 9200',
    section: '5.3',
    level: 'MUST',
    needs,
    async run(bench) {
      const answer = await unprotectedGet(bench);
      if (answer.payload.length === 0 || uintOf(answer.options, OptionNumber.ContentFormat) !== 19) return;
      const { as, unknown } = readBy(() => decodeHints(answer.payload), 'AS Request Creation Hints');
      if (as !== undefined && !/^[a-z][a-z0-9+.-]*:\/\//i.test(as)) throw new Nonconformity('an absolute URI as AS', as);
      // RFC 9200 §8.1: integers below -65536 are for private use.
      const keys = [...(unknown?.keys() ?? [])].filter((key) => typeof key !== 'number' || key >= -65_536);
      if (keys.length > 0) throw new Nonconformity('registered keys', `key ${keys.join(', ')}`);
    },
  },
  {
    id: 'rs-hints-03',
    title: 'a write on an unsecured channel is refused with 4.01 as well, and not carried out',
    standard: 'RFC 9200',
    section: '5.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const init = { code: Method.PUT, payload: utf8('conformance'), contentFormat: 0 };
      expectCode(await (await openPlain(bench)).ask(rsOf(bench).allowed, init), Code.Unauthorized);
    },
  },
  {
    id: 'rs-expiry-01',
    title: 'the rights end with the token: a request after exp is not served',
    standard: 'RFC 9200',
    section: '5.10.1.1',
    level: 'MUST',
    needs,
    async run(bench) {
      const { opened: channel, exp } = await enterBriefly(bench, async (end) => {
        const opened = await enter(bench, { exp: end });
        expectCode(await opened.ask(rsOf(bench).allowed), Code.Content);
        return opened;
      });
      await waitUntil(bench, exp + 0.2);
      // No answer, or the end of the session, will do as well here.
      const answer = await unlessBroken(channel.ask(rsOf(bench).allowed));
      await unlessLeeway(bench, async () => {
        if (answer !== undefined) expectRefusal(answer, 'no success after the token has expired');
      });
    },
  },
];

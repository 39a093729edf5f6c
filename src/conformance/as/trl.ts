import { decodeTrlResponse, type TrlResponse, tokenHash } from '../../ace/index.ts';
import { type Body, Code, ContentFormat, Method } from '../../coap/index.ts';
import { equalBytes, toHex } from '../../core/bytes.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { Nonconformity, NotApplicable } from '../errors.ts';
import { expectCode, expectFormat, expectRefusal, readBy } from '../expect.ts';
import type { Need } from '../target.ts';
import { askToken, asOf, expectGranted, openAs, openUnprotected, pathOf, usual } from './channel.ts';

const needs: readonly Need[] = ['as', 'trl'];

async function query(bench: Bench, ...parameters: readonly string[]): Promise<Body> {
  const path = pathOf(asOf(bench).trl ?? '');
  return (await openAs(bench)).ask(parameters.length === 0 ? path : `${path}?${parameters.join('&')}`);
}

function expectList(answer: Body): TrlResponse {
  expectCode(answer, Code.Content);
  expectFormat(answer, ContentFormat.AceTrl);
  return readBy(() => decodeTrlResponse(answer.payload), 'an answer of a token revocation list');
}

/** @throws {NotApplicable} the AS has full queries only, which it answers in place of a diff query */
function expectDiff(answer: Body): TrlResponse {
  const list = expectList(answer);
  if (list.diffSet === undefined) throw new NotApplicable('the authorization server has no diff queries');
  return list;
}

/** Whether the extension "Cursor" is there: a full query then tells a cursor. */
async function needCursor(bench: Bench): Promise<void> {
  if (expectList(await query(bench)).cursor === undefined) throw new NotApplicable('the authorization server has no cursor');
}

/** Queries that are refused, where there are cursors (RFC 9770, Section 6.3). */
const refused: readonly (readonly [id: string, title: string, parameters: readonly string[]])[] = [
  ['as-trl-04', 'a diff that is no number is refused with 4.00', ['diff=x']],
  ['as-trl-05', 'a diff that is negative is refused with 4.00', ['diff=-1']],
  ['as-trl-06', 'a cursor without diff is refused with 4.00', ['cursor=0']],
  ['as-trl-07', 'a cursor that is no number is refused with 4.00', ['diff=1', 'cursor=x']],
];

/** The token revocation list (RFC 9770). */
export const asTrlCases: readonly ConformanceCase[] = [
  {
    id: 'as-trl-01',
    title: 'a full query is answered by 2.05 with the full_set, of Content-Format 262',
    standard: 'RFC 9770',
    section: '7',
    level: 'MUST',
    needs,
    async run(bench) {
      const { fullSet } = expectList(await query(bench));
      if (fullSet === undefined) throw new Nonconformity('full_set', 'diff_set');
    },
  },
  {
    id: 'as-trl-02',
    title: 'a diff query is answered by a diff_set of at most as many entries as were asked for',
    standard: 'RFC 9770',
    section: '8',
    level: 'MUST',
    needs,
    async run(bench) {
      const { diffSet = [] } = expectDiff(await query(bench, 'diff=1'));
      if (diffSet.length > 1) throw new Nonconformity('one entry at most', `${diffSet.length}`);
    },
  },
  {
    id: 'as-trl-03',
    title: 'a query parameter that nobody knows is passed over',
    standard: 'RFC 9770',
    section: '6.3',
    level: 'MUST',
    needs,
    async run(bench) {
      expectList(await query(bench, 'conformance=1'));
    },
  },
  ...refused.map(
    ([id, title, parameters]): ConformanceCase => ({
      id,
      title,
      standard: 'RFC 9770',
      section: '6.3',
      level: 'MUST',
      needs,
      async run(bench) {
        await needCursor(bench);
        const answer = await query(bench, ...parameters);
        expectCode(answer, Code.BadRequest);
        expectFormat(answer, ContentFormat.ConciseProblemDetails);
      },
    }),
  ),
  {
    id: 'as-trl-08',
    title: 'a diff query with cursor tells cursor and more',
    standard: 'RFC 9770',
    section: '9.2',
    level: 'MUST',
    needs,
    async run(bench) {
      await needCursor(bench);
      const { cursor, more } = expectDiff(await query(bench, 'diff=0'));
      if (cursor === undefined || more === undefined) throw new Nonconformity('cursor and more', cursor === undefined ? 'no cursor' : 'no more');
    },
  },
  {
    id: 'as-trl-09',
    title: 'who is no registered device does not see the list',
    standard: 'RFC 9770',
    section: '6',
    level: 'MUST',
    needs,
    async run(bench) {
      const channel = await openUnprotected(bench);
      expectRefusal(await channel.ask(pathOf(asOf(bench).trl ?? '')), 'no list for who has not proved to be registered');
    },
  },
  {
    id: 'as-trl-10',
    title: 'a token that is good is not on the list',
    standard: 'RFC 9770',
    section: '5',
    level: 'MUST',
    needs,
    async run(bench) {
      const { accessToken } = expectGranted(await askToken(bench, usual(bench))).response;
      const hash = tokenHash(accessToken);
      const { fullSet = [] } = expectList(await query(bench));
      if (fullSet.some((one) => equalBytes(one, hash))) throw new Nonconformity('a list without the token', `one with ${toHex(hash)}`);
    },
  },
  {
    id: 'as-trl-11',
    title: 'POST, PUT and DELETE of the list are refused',
    standard: 'RFC 9770',
    section: '6',
    level: 'SHOULD',
    needs,
    async run(bench) {
      const channel = await openAs(bench);
      for (const code of [Method.POST, Method.PUT, Method.DELETE]) expectRefusal(await channel.ask(pathOf(asOf(bench).trl ?? ''), { code }), 'a 4.xx');
    },
  },
];

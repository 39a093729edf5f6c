import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EgressFilter, type EgressFinding, KnownImsis } from '../../../../../profiles/seal/https/t8/index.ts';
import { utf8 } from '../../../../../src/core/bytes.ts';
import { scale } from '../../../../support/scale.ts';
import { digitDisguises, encodings, imsis } from './disguises.ts';

const runs = scale === 'quick' ? 60 : 20_000;

function filterFor(...known: readonly string[]): EgressFilter {
  const subscribers = { imsis: new KnownImsis(known), isPublicNumber: (digits: string) => digits === '491701234567890' };
  return new EgressFilter({ subscribers: async () => subscribers });
}

const json = { 'content-type': 'application/json' };

function checkBody(known: readonly string[], body: Uint8Array | string): Promise<EgressFinding | undefined> {
  return filterFor(...known).check('response', { headers: json, body: typeof body === 'string' ? utf8(body) : body });
}

const disguises = fc.constantFrom(...Object.keys(digitDisguises));
const ways = fc.array(fc.constantFrom(...Object.keys(encodings)), { maxLength: 2 });

test('an IMSI in any encoding, nested two deep, never leaves: body, header, URL', async () => {
  await fc.assert(
    fc.asyncProperty(
      imsis,
      disguises,
      ways,
      fc.string({ maxLength: 20 }),
      fc.constantFrom('body', 'member', 'header', 'uri'),
      async (imsi, disguise, nested, near, part) => {
        const hidden = nested.reduce((bytes, way) => encodings[way]!(bytes), digitDisguises[disguise]!(imsi));
        const filter = filterFor('262017777777777', imsi);
        const body = Buffer.from(hidden, 'latin1');
        const messages = {
          body: { body: Buffer.concat([utf8(near), body, utf8(near)]) },
          member: { headers: json, body: utf8(JSON.stringify({ data: body.toString('latin1'), near })) },
          header: { headers: { 'x-note': hidden.replace(/[^ -~]/g, '.') === hidden ? hidden : body.toString('base64') }, body: new Uint8Array() },
          uri: { uri: `https://as.example/n?x=${encodeURIComponent(body.toString('base64'))}`, body: new Uint8Array() },
        };
        assert.notEqual(await filter.check('response', messages[part as keyof typeof messages]), undefined);
      },
    ),
    { numRuns: runs },
  );
});

test('every pair of encodings around every way to write the digits', async () => {
  const imsi = '262011234567890';
  const missed: string[] = [];
  for (const [disguise, write] of Object.entries(digitDisguises))
    for (const [outer, encodeOuter] of Object.entries(encodings))
      for (const [inner, encodeInner] of Object.entries(encodings)) {
        const body = Buffer.from(encodeOuter(encodeInner(write(imsi))), 'latin1');
        if ((await checkBody([imsi], body)) === undefined) missed.push(`${outer}(${inner}(${disguise}))`);
      }
  assert.deepEqual(missed, []);
});

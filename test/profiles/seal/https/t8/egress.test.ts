import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { EgressFilter, KnownImsis, type LeavingMessage } from '../../../../../profiles/seal/https/t8/index.ts';
import { fromHex, toHex, utf8 } from '../../../../../src/core/bytes.ts';
import { holds } from '../../../../support/property.ts';
import { scale } from '../../../../support/scale.ts';
import { digitDisguises, encodings, imsis } from './disguises.ts';

function filterFor(...known: readonly string[]): EgressFilter {
  const subscribers = { imsis: new KnownImsis(known), isPublicNumber: (digits: string) => digits === '491701234567890' };
  return new EgressFilter({ subscribers: async () => subscribers });
}

const json = { 'content-type': 'application/json' };

const disguises = fc.constantFrom(...Object.keys(digitDisguises));
const ways = fc.array(fc.constantFrom(...Object.keys(encodings)), { maxLength: 2 });

/** What may hide in each part of a message, among other text. */
const messages: Readonly<Record<'body' | 'member' | 'header' | 'uri', (hidden: string, near: string) => LeavingMessage>> = {
  body: (hidden, near) => ({ body: Buffer.concat([utf8(`${near} `), Buffer.from(hidden, 'latin1'), utf8(` ${near}`)]) }),
  member: (hidden, near) => ({ headers: json, body: utf8(JSON.stringify({ data: hidden, near })) }),
  header: (hidden) => ({ headers: { 'x-note': /^[ -~]*$/.test(hidden) ? hidden : Buffer.from(hidden, 'latin1').toString('base64') }, body: new Uint8Array() }),
  uri: (hidden) => ({ uri: `https://as.example/n?x=${encodeURIComponent(Buffer.from(hidden, 'latin1').toString('base64'))}`, body: new Uint8Array() }),
};

test('an IMSI in any encoding, nested two deep, never leaves: body, header, URL', async () => {
  await holds(
    'hidden-imsi',
    { quick: 40, full: 3_000 },
    fc.asyncProperty(
      imsis,
      disguises,
      ways,
      fc.string({ maxLength: 20 }),
      fc.constantFrom(...Object.values(messages)),
      async (imsi, disguise, nested, near, messageOf) => {
        const hidden = nested.reduce((bytes, way) => encodings[way]!(bytes), digitDisguises[disguise]!(imsi));
        assert.notEqual(await filterFor('262017777777777', imsi).check('response', messageOf(hidden, near)), undefined);
      },
    ),
  );
});

test('base64 right behind characters of base64 that are none of it', async () => {
  const filter = filterFor('001010000000001');
  for (const before of ['-=++', '=', 'a', 'ab==', 'abc'])
    assert.notEqual(await filter.check('response', { body: utf8(`${before} ${Buffer.from('001010000000001').toString('base64')}`) }), undefined, before);
});

test('every pair of encodings around every way to write the digits, in each part of a message', async () => {
  const imsi = '262011234567890';
  const filter = filterFor(imsi);
  const missed: string[] = [];
  let number = 0;
  for (const [part, messageOf] of Object.entries(messages))
    for (const [disguise, write] of Object.entries(digitDisguises))
      for (const [outer, encodeOuter] of Object.entries(encodings))
        for (const [inner, encodeInner] of Object.entries(encodings)) {
          if (number++ % (scale === 'full' ? 1 : 53) !== 0) continue;
          const hidden = encodeOuter(encodeInner(write(imsi)));
          if ((await filter.check('response', messageOf(hidden, ''))) === undefined) missed.push(`${part}: ${outer}(${inner}(${disguise}))`);
        }
  assert.deepEqual(missed, []);
  if (scale === 'full') console.log(`soak hidden-imsi, pairs: ${number} rounds`);
});

test('digits in several members, in a list of pieces in base64, in a member and in a URL', async () => {
  const imsi = '001010000000001';
  const hidden = encodings['base64 in pieces']!(encodings['percent, each second']!(digitDisguises['in members with digits']!(imsi)));
  for (const [part, messageOf] of Object.entries(messages)) assert.notEqual(await filterFor(imsi).check('response', messageOf(hidden, '')), undefined, part);
});

test('an IMSI in parts: in several headers, whose names have digits, and in members for the parts of it', async () => {
  const filter = filterFor('262011234567890');
  const body = new Uint8Array();
  const headers = [{ 'x-part1': '2620112', 'x-part2': '34567890' }, { 'x-9': '26201', 'x-8': ['12345', '67890'] }, { 'x-list': ['26201', '12345', '67890'] }];
  for (const one of headers) assert.notEqual(await filter.check('response', { headers: one, body }), undefined, JSON.stringify(one));
  const bodies: readonly unknown[] = [
    { mcc: 262, mnc: 1, msin: 1_234_567_890 },
    { '1': 2_620_112, '2': 34_567_890 },
    [{ a1: '26201' }, { a2: ['12345', { a3: 67_890 }] }],
  ];
  for (const one of bodies) assert.notEqual(await filter.check('response', { headers: json, body: utf8(JSON.stringify(one)) }), undefined, JSON.stringify(one));
});

test('what holds no IMSI leaves: payloads of any bytes, telephone numbers, times and long numbers', async () => {
  // That of a test network, 001010000000001, is so poor in digits that 1970-01-01T00:00:00.000Z and a one behind it hold it.
  const filter = filterFor('262011234567890', '460003123456781', '310410123456789');
  await holds(
    'no-imsi',
    { quick: 40, full: 3_000 },
    fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), fc.json(), fc.nat(), async (payload, note, number) => {
      const members = {
        self: 'https://scef.example/3gpp-nidd/v1/app1/configurations/dQw4w9WgXcQ-1234',
        externalId: 'meter4711@op.example',
        msisdn: '491701234567890',
        data: Buffer.from(payload).toString('base64'),
        hex: Buffer.from(payload).toString('hex'),
        validityPeriod: number,
        at: new Date(number * 1000).toISOString(),
        milliseconds: 1_700_000_000_000 + number,
        note: JSON.parse(note) as unknown,
      };
      const headers = { ...json, location: members.self, date: new Date(0).toUTCString(), etag: '"1700000000000000"' };
      assert.equal(await filter.check('response', { headers, body: utf8(JSON.stringify(members)) }), undefined);
    }),
  );
});

/** A mobile identity of type SUCI and SUPI format IMSI. */
function nasSuci(mcc: string, mnc: string, msin: string, scheme = 0, routing = '0'): Uint8Array {
  const [n1, n2, n3 = 'f'] = [...mnc];
  const halves = (digits: string): string => (digits.length % 2 === 0 ? digits : `${digits}f`).replace(/(.)(.)/g, '$2$1');
  const network = `${mcc[1]}${mcc[0]}${n3}${mcc[2]}${n2}${n1}`;
  return fromHex(`01${network}${halves(routing.padEnd(4, 'f'))}0${scheme}${scheme === 0 ? '00' : '1b'}${halves(msin)}`);
}

test('TS 24.501 9.11.3.4: a SUCI in the form of NAS that conceals nothing does not leave, of whichever subscriber of the network', async () => {
  const filter = filterFor('262011234567890', '310410123456789');
  assert.equal(toHex(nasSuci('208', '93', '00007487')), '0102f839f0ff000000004778', 'as an open core network writes it');
  const clear = [
    nasSuci('262', '01', '1234567890'),
    nasSuci('262', '01', '99887766', 0, '1234'),
    nasSuci('310', '410', '123456789'),
    nasSuci('310', '410', '55555555'),
  ];
  for (const suci of clear) {
    const inBase64 = Buffer.from(suci).toString('base64');
    const inHex = toHex(suci);
    assert.deepEqual(await filter.check('response', { body: Buffer.concat([utf8('a b'), suci, utf8('c')]) }), { part: 'body', rule: 'imsi-name' }, inHex);
    for (const value of [inBase64, inHex, `0${inHex}`, Buffer.from(inHex).toString('base64')])
      assert.deepEqual(await filter.check('response', { body: utf8(JSON.stringify({ value })) }), { part: 'body', rule: 'imsi-name' }, value);
    assert.deepEqual(await filter.check('notification', { uri: `https://as.example/n?x=${inHex}`, body: new Uint8Array() }), {
      part: 'uri',
      rule: 'imsi-name',
    });
  }
  const leaves = [
    nasSuci('262', '01', '9b1f5e0c7ad2', 1),
    nasSuci('262', '01', '1234567890', 2),
    nasSuci('262', '02', '1234567890'),
    nasSuci('310', '411', '123456789'),
    nasSuci('262', '01', '1234567890').subarray(0, 8),
    nasSuci('262', '01', 'abcdef1234'),
  ];
  for (const suci of leaves) assert.equal(await filter.check('response', { body: suci }), undefined, toHex(suci));
});

test('RFC 9110 8.4: what is compressed, or under another coding, does not leave unread', async () => {
  const filter = filterFor('262011234567890');
  const body = gzipSync(utf8('262011234567890'));
  for (const coding of ['gzip', 'GZIP', 'br', 'deflate', 'zstd', 'identity, gzip'])
    assert.deepEqual(await filter.check('response', { headers: { 'content-encoding': coding }, body }), { part: 'body', rule: 'unreadable' }, coding);
  assert.deepEqual(await filter.check('response', { headers: { 'content-encoding': ['identity', 'gzip'] as never }, body }), {
    part: 'body',
    rule: 'unreadable',
  });
});

test('TS 33.501 C.2: a SUCI by the null scheme is a SUPI in the clear, whoever it is of; one that conceals leaves', async () => {
  const filter = filterFor('262011234567890');
  const clear = [
    'suci-0-262-01-1234-0-0-1234567890',
    'SUCI-0-310-410-0-0-0-123456789',
    'suci-1-op.example-678-0-0-anna',
    'type0.rid678.schid0.userid1234567890@nai.5gc.mnc001.mcc262.3gppnetwork.org',
  ];
  const body = new Uint8Array();
  for (const suci of clear) {
    const inBase64 = Buffer.from(suci).toString('base64');
    for (const value of [suci, inBase64]) {
      const messages = [
        { headers: json, body: utf8(JSON.stringify({ name: value })) },
        { headers: { 'x-ue': value }, body },
        { uri: `https://as.example/${value}`, body },
      ];
      for (const message of messages) assert.deepEqual((await filter.check('response', message))?.rule, 'imsi-name', value);
    }
  }
  const concealed = ['suci-0-262-01-1234-1-27-9b1f5e0c7ad2', 'type0.rid678.schid1.hnkey27.ecckeyb9c1f5.cipd2e0.mac7a@nai.5gc.mnc001.mcc262.3gppnetwork.org'];
  for (const name of concealed) assert.equal(await filter.check('response', { headers: json, body: utf8(JSON.stringify({ name })) }), undefined, name);
});

test('what says that it is an IMSI or a SUPI does not leave, whoever it is of', async () => {
  const filter = filterFor();
  const refused: readonly unknown[] = [
    { supi: 'anything' },
    { SUPI: 'nai-anna@op.example' },
    { ue: { imsi: 1 } },
    { note: 'IMSI: 310410123456789' },
    { note: Buffer.from('imsi-20893000000001').toString('base64') },
    { externalId: '310410123456789@op.example' },
    { ueId: 310410123456789 },
    { msisdns: ['31041012345678'] },
    { gpsi: '3104 1012 3456 789' },
    { self: 'https://scef.example/ue/310410123456789' },
  ];
  for (const value of refused) {
    assert.ok((await filter.check('response', { headers: json, body: utf8(JSON.stringify(value)) })) !== undefined, JSON.stringify(value));
  }
  const body = new Uint8Array();
  for (const headers of [{ 'x-ue': '310410123456789' }, { location: '/ue/310410123456789' }, { link: '</ue?id=310410123456789>; rel=item' }])
    assert.ok((await filter.check('response', { headers, body })) !== undefined, JSON.stringify(headers));
  assert.ok((await filter.check('notification', { uri: 'https://as.example/310410123456789', body })) !== undefined);
});

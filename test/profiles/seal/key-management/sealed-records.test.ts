import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { largestPayload, type RecordName, type RecordPlace, recordsFile, SealedRecords } from '../../../../profiles/seal/index.ts';
import { utf8 } from '../../../../src/core/bytes.ts';
import { memoryStore } from '../../../../src/store/index.ts';
import { isKmError } from '../rows/km-fakes.ts';

const folder = mkdtempSync(join(tmpdir(), 'ace-coap-km-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const key = new Uint8Array(32).fill(7);
const service: RecordName = { serviceId: 'v2x' };
const device: RecordName = { serviceId: 'v2x', identity: { kind: 'deviceId', id: 'ue1' } };
const secret = utf8('very secret key material');

let files = 0;
const places: Readonly<Record<string, () => RecordPlace>> = {
  'a store': () => memoryStore(),
  'a file': () => recordsFile(join(folder, `records-${++files}`)),
};

/** All that a place holds. */
async function contents(place: RecordPlace): Promise<[string, Uint8Array][]> {
  const all: [string, Uint8Array][] = [];
  for await (const [at, value] of place.scan('')) all.push([at, value]);
  return all;
}

for (const [name, make] of Object.entries(places)) {
  test(`key records in ${name}: kept, listed, replaced and removed`, async () => {
    const records = new SealedRecords(make(), key);
    assert.equal(await records.get(service), undefined);
    await records.put(service, secret);
    await records.put(device, utf8('1'));
    await records.put(device, utf8('22'));
    assert.deepEqual(await records.get(service), secret);
    assert.deepEqual(await records.get(device), utf8('22'));
    assert.equal(await records.get({ serviceId: 'v2x', identity: { kind: 'userId', id: 'ue1' } }), undefined);
    const listed: unknown[] = [];
    for await (const entry of records.list()) listed.push(entry);
    assert.deepEqual(
      new Set(listed),
      new Set([
        { name: service, size: secret.length },
        { name: device, size: 2 },
      ]),
    );
    assert.equal(await records.remove(device), true);
    assert.equal(await records.remove(device), false);
    assert.equal(await records.get(device), undefined);
  });

  test(`key records in ${name}: neither payloads nor names stand in clear`, async () => {
    const place = make();
    const records = new SealedRecords(place, key);
    await records.put(device, secret);
    await records.put({ serviceId: 'v2x', identity: { kind: 'userId', id: 'anna@val.example' } }, secret);
    const all = Buffer.concat((await contents(place)).flatMap(([at, value]) => [utf8(at), value]));
    for (const text of ['v2x', 'ue1', 'anna', 'deviceId', 'very secret']) assert.ok(!all.includes(text), text);
  });

  test(`key records in ${name}: an entry that is changed, or put in the place of another, does not open`, async () => {
    const place = make();
    const records = new SealedRecords(place, key);
    await records.put(service, secret);
    const [[at, value]] = (await contents(place)).filter(([where]) => where.includes('record')) as [[string, Uint8Array]];
    await records.put(device, utf8('1'));
    const other = (await contents(place)).find(([where]) => where.includes('record') && where !== at)![0];
    await place.put(other, value);
    await assert.rejects(records.get(device), isKmError('ERR_KM_RECORD'));
    for (const changed of [value.map((byte, index) => (index === value.length - 1 ? byte ^ 1 : byte)), value.subarray(1), new Uint8Array(3)]) {
      await place.put(at, changed);
      await assert.rejects(records.get(service), isKmError('ERR_KM_RECORD'));
    }
    await assert.rejects(async () => {
      for await (const _entry of records.list());
    }, isKmError('ERR_KM_RECORD'));
  });

  test(`key records in ${name}: another key is said to be another, whatever is done`, async () => {
    const place = make();
    await new SealedRecords(place, key).put(service, secret);
    const other = new SealedRecords(place, new Uint8Array(32).fill(8));
    for (const act of [() => other.get(service), () => other.put(service, secret), () => other.remove(service), () => other.check()])
      await assert.rejects(act(), isKmError('ERR_KM_RECORD_KEY'));
  });
}

test('key records: bounds of payload, name and key', async () => {
  const records = new SealedRecords(memoryStore(), key);
  await records.put(service, new Uint8Array(largestPayload));
  for (const payload of [new Uint8Array(0), new Uint8Array(largestPayload + 1)])
    await assert.rejects(records.put(service, payload), isKmError('ERR_KM_RECORD'));
  await assert.rejects(records.put({ serviceId: '' }, secret), isKmError('ERR_KM_RECORD'));
  await assert.rejects(records.put({ serviceId: 'v2x', identity: { kind: 'userId', id: '' } }, secret), isKmError('ERR_KM_RECORD'));
  for (const length of [16, 31, 33]) assert.throws(() => new SealedRecords(memoryStore(), new Uint8Array(length)), isKmError('ERR_KM_CONFIG'));
});

test('a file of records: a reader sees changes of another, the owner alone may read it, and nothing is left beside it', async () => {
  const own = join(folder, 'own');
  const path = mkdtempSync(own);
  const file = join(path, 'records');
  const [writer, reader] = [new SealedRecords(recordsFile(file), key), new SealedRecords(recordsFile(file), key)];
  assert.equal(await reader.get(service), undefined);
  await Promise.all([writer.put(service, secret), writer.put(device, utf8('1'))]);
  assert.deepEqual(await reader.get(service), secret);
  assert.deepEqual(await reader.get(device), utf8('1'));
  await writer.remove(service);
  assert.equal(await reader.get(service), undefined);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(path), ['records']);
});

test('a file of records: one that is none, or cannot be written, is an error that names it', async () => {
  const file = join(folder, 'wrong');
  for (const text of ['hello', 'seal/km/check !!!', `${'x'.repeat(300)} AA`]) {
    writeFileSync(file, text);
    await assert.rejects(
      new SealedRecords(recordsFile(file), key).get(service),
      (error) => isKmError('ERR_KM_RECORD')(error) && String(error).includes('line 1'),
    );
  }
  assert.equal(readFileSync(file, 'utf8').length, 303);
  const nowhere = new SealedRecords(recordsFile(join(folder, 'no', 'such', 'folder')), key);
  assert.equal(await nowhere.get(service), undefined);
  await assert.rejects(nowhere.put(service, secret), isKmError('ERR_KM_RECORD'));
});

import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { targetYaml } from '../../src/cli/conformance/init.ts';
import { targetOf } from '../../src/cli/conformance/target.ts';
import { conformanceCases } from '../../src/conformance/index.ts';
import { missing } from '../../src/conformance/target.ts';
import { systemEnv } from '../../src/core/env.ts';
import { loadConformanceTarget, writeLab } from '../../src/operate/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'ace-coap-target-'));
const file = join(folder, 'target.yaml');
after(() => rmSync(folder, { recursive: true, force: true }));

test('conformance init: the file is read as it is', () => {
  writeFileSync(file, targetYaml, { mode: 0o600 });
  assert.deepEqual(loadConformanceTarget(file), {
    file,
    store: join(folder, 'state', 'oscore'),
    coap: 'coap://127.0.0.1:5683',
    resources: { get: '/.well-known/core' },
  });
});

test('conformance init: what the file has as a comment is read too', async () => {
  const keys = join(folder, 'keys');
  await writeLab(folder, { random: systemEnv.random, profile: 'dtls-rpk' });
  const [own] = readdirSync(keys).filter((name) => /^client.*\.key$/.test(name));
  const [shown] = readdirSync(keys).filter((name) => /^rs.*\.pub$/.test(name));
  copyFileSync(join(keys, own!), join(keys, 'checker.key'));
  for (const name of ['rs1.pub', 'target.pub']) if (name !== shown) copyFileSync(join(keys, shown!), join(keys, name));
  for (const name of ['oscore', 'device1', 'as-rs1-token', 'client1-as']) {
    writeFileSync(join(keys, `${name}.key`), '000102030405060708090a0b0c0d0e0f\n', { mode: 0o600 });
  }
  const isYaml = /^# ?(\w+:| {2})/;
  // The peer is known by one of two.
  for (const dropped of ['dtls: { peer_key_file', 'dtls: { psk_identity']) {
    const lines = targetYaml.split('\n').filter((line) => !line.includes(dropped));
    const text = lines.map((line) => (isYaml.test(line) ? line.replace(/^# ?(?=\w+: \/|\w+: \{ path)/, '  ').replace(/^# ?/, '') : line)).join('\n');
    writeFileSync(file, text, { mode: 0o600 });
    const { features, oscore, resources, rs, as, dtls } = loadConformanceTarget(file);
    assert.deepEqual(features, ['requestTag', 'noResponse']);
    assert.deepEqual(
      oscore?.contexts.map(({ firstSequence }) => firstSequence),
      [0],
    );
    assert.deepEqual(Object.keys(resources ?? {}).length, 11);
    assert.deepEqual([rs?.otherScope, as?.forbiddenScope], ['r_led', 'r_led']);
    assert.equal(dtls === undefined, false);
  }
});

test('conformance: what a case lacks is named as it stands in the file', () => {
  const lacks = conformanceCases.map(({ needs }) => missing({}, needs) ?? '').join(', ');
  const names = [...lacks.matchAll(/\(([\w.]+(?:, [\w.]+)*)\)/g)].flatMap(([, list]) => list!.split(/, |\./));
  assert.ok(names.includes('resources') && names.includes('as'));
  assert.deepEqual(
    [...new Set(names)].filter((name) => !new RegExp(`\\b${name}(?:[:,\\]])`).test(targetYaml)),
    [],
  );
});

test('RFC 8613 7.2.1: each run of the checker gets numbers that no run had before, wherever the clock stands', async (t) => {
  const context = '{ master_secret: "000102030405060708090a0b0c0d0e0f", sender_id: "01", recipient_id: "02" }';
  const as = `as:\n  token: coap://127.0.0.1:5783/token\n  audience: rs1\n  scope: r_temp\n  oscore: ${context}\n`;
  const now = Date.now();
  const used: number[] = [];
  for (const [hours, entry] of [
    [0, ''],
    [-1, ''],
    [-1_000_000, ''],
    [0, '  first_sequence: 0\n'],
    [0, '  first_sequence: 4294967296\n'],
    [0, '  first_sequence: 1\n'],
  ] as const) {
    writeFileSync(file, `coap: coap://127.0.0.1:5683\noscore:\n  contexts:\n    - ${context}\n${entry}  resources: { get: /x }\n${as}`, { mode: 0o600 });
    const clock = t.mock.method(Date, 'now', () => now + hours * 3_600_000);
    const target = await targetOf([], { target: file });
    clock.mock.restore();
    used.push(target.oscore!.contexts[0]!.firstSequence, target.as!.oscore!.firstSequence);
  }
  assert.ok(used[0]! >= (now / 1000 - 1_767_225_600) * 100 - 1);
  assert.ok(used[8]! >= 2 ** 32);
  for (let run = 1; run < used.length; run++) assert.ok(used[run]! - used[run - 1]! >= 20_000, `${used}`);
});

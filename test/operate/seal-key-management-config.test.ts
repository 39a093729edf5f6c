import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemEnv } from '../../src/core/env.ts';
import { ConfigError, loadClientConfig, loadRsConfig, writeLab } from '../../src/operate/index.ts';

const parent = mkdtempSync(join(tmpdir(), 'ace-coap-km-config-'));
const lab = join(parent, 'lab');
after(() => rmSync(parent, { recursive: true, force: true }));
await writeLab(lab, { random: systemEnv.random });
writeFileSync(join(lab, 'records.key'), `${'01'.repeat(32)}\n`, { mode: 0o600 });
const rs = readFileSync(join(lab, 'rs.yaml'), 'utf8');
const client = readFileSync(join(lab, 'client.yaml'), 'utf8');

function keyManagement(section: string): ReturnType<typeof loadRsConfig> {
  writeFileSync(join(lab, 'rs.yaml'), `${rs}\nprofile: seal\nseal: { val_system: val.example, services: { key_management: { ${section} } } }\n`);
  return loadRsConfig(lab);
}

const least = 'skms_uri: "coap://127.0.0.1:5683/km", record_key_file: records.key';

test('key_management: what stands there, and what does not', () => {
  const recordKey = new Uint8Array(32).fill(1);
  assert.deepEqual(keyManagement(least).seal?.services, { keyManagement: { sKmsUri: 'coap://127.0.0.1:5683/km', recordKey } });
  const all = 'skms_id: skms1, path: /keys, window: 10, user_host: val.example, records_file: records';
  assert.deepEqual(keyManagement(`${least}, ${all}`).seal?.services.keyManagement, {
    sKmsUri: 'coap://127.0.0.1:5683/km',
    sKmsId: 'skms1',
    path: '/keys',
    window: 10,
    userHost: 'val.example',
    recordKey,
    recordsFile: join(lab, 'records'),
  });
});

test('key_management: errors say the file, the entry, what was expected and what came', () => {
  writeFileSync(join(lab, 'short.key'), '0102\n', { mode: 0o600 });
  writeFileSync(join(lab, 'open.key'), `${'01'.repeat(32)}\n`, { mode: 0o644 });
  for (const [section, says] of [
    ['record_key_file: records.key', /key_management.*skms_uri/],
    ['skms_uri: km, record_key_file: records.key', /skms_uri: expected a URI with a host.*"km"/],
    ['skms_uri: "coap://s/km"', /record_key_file/],
    ['skms_uri: "coap://s/km", record_key_file: short.key', /record_key_file: expected a key of 32 bytes, got 2/],
    ['skms_uri: "coap://s/km", record_key_file: open.key', /chmod 600/],
    [`${least}, window: 0`, /window: expected .*1.*300/],
    [`${least}, path: keys`, /path: expected a path/],
    [`${least}, user_host: "a b"`, /user_host: expected the name of a host/],
    [`${least}, records: x`, /records/],
  ] as const)
    assert.throws(
      () => keyManagement(section),
      (error) => error instanceof ConfigError && says.test(error.message) && error.message.includes('rs.yaml'),
      section,
    );
});

test('skms_uri: a client may know its key management server', () => {
  const load = (seal: string): ReturnType<typeof loadClientConfig> => {
    writeFileSync(join(lab, 'client.yaml'), `${client}\nprofile: seal\nseal: { ${seal} }\n`);
    return loadClientConfig(lab);
  };
  assert.equal(load('skms_uri: "coap://skms.example/km"').seal?.sKmsUri, 'coap://skms.example/km');
  assert.throws(() => load('skms_uri: skms'), /skms_uri: expected a URI with a host/);
});

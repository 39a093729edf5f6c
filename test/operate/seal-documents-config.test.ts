import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemEnv } from '../../src/core/env.ts';
import { ConfigError, loadRsConfig, writeLab } from '../../src/operate/index.ts';

const parent = mkdtempSync(join(tmpdir(), 'ace-coap-documents-config-'));
const lab = join(parent, 'lab');
after(() => rmSync(parent, { recursive: true, force: true }));
await writeLab(lab, { random: systemEnv.random });
const rs = readFileSync(join(lab, 'rs.yaml'), 'utf8');

function services(section: string): ReturnType<typeof loadRsConfig> {
  writeFileSync(join(lab, 'rs.yaml'), `${rs}\nprofile: seal\nseal: { val_system: val.example, services: { ${section} } }\n`);
  return loadRsConfig(lab);
}

test('configuration and spatial: what stands there, and what does not', () => {
  assert.deepEqual(services('configuration: {}, spatial: {}').seal?.services, { configuration: {}, spatial: {} });
  const rate = 'rate: { burst: 5, per_second: 2 }';
  const limits = 'documents: 10, per_owner: 2, document_bytes: 1000, total_bytes: 10000';
  const bounds = { documents: 10, perOwner: 2, document: 1000, bytes: 10_000 };
  assert.deepEqual(services(`configuration: { max_age: 0, ${rate}, limits: { ${limits}, listed: 7 } }`).seal?.services.configuration, {
    maxAge: 0,
    rate: { burst: 5, rate: 2 },
    limits: { ...bounds, listed: 7 },
  });
  assert.deepEqual(services(`spatial: { ${rate}, anchors: { ${limits} }, maps: { documents: 3 }, page: { usual: 2, most: 4 } }`).seal?.services.spatial, {
    rate: { burst: 5, rate: 2 },
    limits: { anchors: bounds, maps: { documents: 3 } },
    page: { usual: 2, most: 4 },
  });
});

test('configuration and spatial: errors say the file, the entry, what was expected and what came', () => {
  for (const [section, says] of [
    ['configuration: { maximum_age: 1 }', /configuration\.maximum_age: .*max_age/],
    ['configuration: { limits: { documents: 0 } }', /limits\.documents: expected a whole number of documents from 1/],
    ['configuration: { rate: { burst: 1 } }', /rate\.per_second: expected/],
    ['spatial: { anchors: { listed: 1 } }', /anchors\.listed/],
    ['spatial: { page: { usual: 5, most: 4 } }', /page\.usual: expected at most 4, which is most, got 5/],
    ['spatial: 1', /spatial: expected spatial anchors and maps/],
  ] as const)
    assert.throws(
      () => services(section),
      (error) => error instanceof ConfigError && says.test(error.message) && error.message.includes('rs.yaml'),
      section,
    );
});

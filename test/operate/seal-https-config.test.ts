import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { ConfigError, loadAsConfig, loadRsConfig } from '../../src/operate/index.ts';
import { runHere } from '../cli/run-here.ts';

const parent = mkdtempSync(join(tmpdir(), 'seal-https-config-'));
const folder = join(parent, 'lab');
assert.equal((await runHere(['seal', 'init', folder])).code, 0);
after(() => rmSync(parent, { recursive: true }));

const listen = '    listen: https://127.0.0.1:10443\n    cert_file: tls/sims.pem\n    key_file: tls/sims.key';
const proxy = '    proxy: { trusted: [127.0.0.1, "10.0.0.0/8", "::1"], public_url: "https://sims.val.example" }';

/** as.yaml with another section in the place of where it listens. */
function simS(text: string): ReturnType<typeof loadAsConfig> {
  const yaml = readFileSync(join(folder, 'as.yaml'), 'utf8');
  assert.ok(yaml.includes(listen));
  const file = join(folder, 'changed.yaml');
  writeFileSync(file, yaml.replace(listen, text), { mode: 0o600 });
  return loadAsConfig(file);
}

function problems(text: string): readonly string[] {
  try {
    simS(text);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems.map(({ path, message }) => `${path}: ${message}`);
  }
}

describe('a SIM-S over HTTPS in as.yaml', () => {
  test('by default there is no proxy, and it goes by where it listens', () => {
    const { https } = simS(listen).seal!;
    assert.deepEqual([https?.issuer, https?.proxy, https?.tls === undefined], ['https://127.0.0.1:10443', undefined, false]);
  });

  test('proxy: trusted addresses, the public URL that it goes by, and the header that counts', () => {
    const { https } = simS(`${listen}\n${proxy}`).seal!;
    assert.equal(https?.issuer, 'https://sims.val.example');
    assert.deepEqual(https?.proxy, {
      trusted: [
        { address: '127.0.0.1', bits: 32 },
        { address: '10.0.0.0', bits: 8 },
        { address: '::1', bits: 128 },
      ],
      header: 'x-forwarded-for',
    });
    const plain = simS(`    listen: http://127.0.0.1:10443\n${proxy.replace(' }', ', header: forwarded }')}`).seal!.https;
    assert.deepEqual([plain?.tls, plain?.proxy?.header, plain?.listen], [undefined, 'forwarded', { address: '127.0.0.1', port: 10_443 }]);
  });

  const wrong: readonly (readonly [text: string, said: RegExp])[] = [
    ['    listen: http://127.0.0.1:10443', /listen: expected https:\/\/, or proxy beside it/],
    [`    listen: http://192.0.2.1:10443\n${proxy}`, /listen: expected https:\/\/, or http:\/\/ on a loopback address, got http:\/\/192\.0\.2\.1/],
    [`${listen.replace('https:', 'http:')}\n${proxy}`, /expected no cert_file and no key_file with http:\/\//],
    ['    listen: https://127.0.0.1:10443', /expected cert_file for https, got none/],
    [`${listen}\n${proxy.replace('10.0.0.0/8', '10.0.0.0/33')}`, /proxy\.trusted\[1\]: expected an address, or a network/],
    [`${listen}\n${proxy.replace('127.0.0.1', 'proxy.example')}`, /proxy\.trusted\[0\]: expected an address, or a network/],
    [`${listen}\n${proxy.replace('sims.val.example', 'sims.val.example/path')}`, /public_url: expected an origin of https/],
    [`${listen}\n${proxy.replace(' }', ', header: x-real-ip }')}`, /header: expected one of x-forwarded-for, forwarded/],
    [`${listen}\n    issuer: https://other.example\n${proxy}`, /issuer: expected that of proxy\.public_url, or none/],
  ];
  for (const [text, said] of wrong) {
    test(`refuses ${text.trim().split('\n').at(-1)!.trim()}`, () => {
      const found = problems(text);
      assert.ok(
        found.some((problem) => said.test(problem)),
        found.join('\n'),
      );
    });
  }
});

test('a SEAL server over HTTPS in rs.yaml: how often a client and an address may ask', () => {
  const file = join(folder, 'changed-rs.yaml');
  const yaml = readFileSync(join(folder, 'rs.yaml'), 'utf8');
  const rate = '    rate: { per_client: { burst: 4, rate: 2 }, per_address: { burst: 8, rate: 0.5 } }\n';
  writeFileSync(file, yaml.replace(/^( {2}https:.*\n)/m, `$1${rate}`), { mode: 0o600 });
  assert.deepEqual(loadRsConfig(file).seal?.https?.rate, { client: { burst: 4, rate: 2 }, address: { burst: 8, rate: 0.5 } });
});

test('how many wrong tokens and secrets are looked at: `failures` of the faces over HTTPS and of CAPIF', () => {
  const file = join(folder, 'changed-rs.yaml');
  const yaml = readFileSync(join(folder, 'rs.yaml'), 'utf8');
  const entry = '    failures: { per_client: { burst: 4, rate: 2 } }\n';
  writeFileSync(file, yaml.replace(/^( {2}(?:https|capif):.*\n)/gm, `$1${entry}`), { mode: 0o600 });
  const { https, capif } = loadRsConfig(file).seal!;
  const expected = { client: { burst: 4, rate: 2 } };
  assert.deepEqual([https?.failures, capif?.failures, simS(`${listen}\n${entry}`).seal?.https?.failures], [expected, expected, expected]);
});

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ConfigError, loadAsConfig, loadClientConfig, loadRsConfig, writeSealLab } from '../../src/operate/index.ts';

let folder: string;

const loaders = { 'as.yaml': loadAsConfig, 'rs.yaml': loadRsConfig, 'client.yaml': loadClientConfig } as const;

/** The problems of a file of the lab in which one text stands in place of another. */
function problems(file: keyof typeof loaders, from: string, to: string): string[] {
  const text = readFileSync(join(folder, file), 'utf8');
  assert.equal(text.split(from).length, 2, `expected ${from} once in ${file}`);
  const changed = join(folder, `changed-${file}`);
  writeFileSync(changed, text.replace(from, to), { mode: 0o600 });
  try {
    loaders[file](changed);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems.map(({ path, message }) => `${path}: ${message}`);
  }
}

describe('profile: seal', () => {
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'seal-config-'));
    await writeSealLab(folder, { random: (length) => new Uint8Array(length).fill(1) });
  });
  after(() => rmSync(folder, { recursive: true }));

  test('a fresh deployment is what SIM-S, SEAL server and SIM-C are made from', () => {
    const as = loadAsConfig(folder);
    assert.deepEqual(as.seal, {
      mode: 'strict',
      valSystem: 'val.example',
      services: { v2x: ['seal1'] },
      identities: [
        { kind: 'user', id: 'anna@val.example', valServiceIds: ['v2x'] },
        { kind: 'ue', id: 'ue1', valServiceIds: ['v2x'], valUserIds: ['anna@val.example'] },
      ],
    });
    assert.equal(as.issuer, 'sims.val.example');
    const rs = loadRsConfig(folder);
    assert.deepEqual(
      [rs.seal?.valSystem, rs.seal?.mode, Object.keys(rs.seal?.services ?? {})],
      ['val.example', 'strict', ['configuration', 'spatial', 'keyManagement']],
    );
    assert.equal(rs.dtls.suites, 'seal-strict');
    assert.deepEqual([as.dtls.keepSessions, rs.dtls.keepSessions], [false, false], 'keys of what is forward secret do not lie in a store');
    const client = loadClientConfig(folder);
    assert.deepEqual([client.seal, client.profiles], [{ mode: 'strict', scope: 'notes:read', sKmsUri: 'coap://127.0.0.1:5683/km' }, [2]]);
  });

  const cases: readonly (readonly [keyof typeof loaders, string, string, string])[] = [
    ['rs.yaml', 'leeway: 0', 'leeway: 31', 'leeway: expected at most 30 seconds with profile: seal, got 31'],
    ['rs.yaml', 'leeway: 0', 'leeway_cap: 300 #', 'leeway_cap: expected at most 30 seconds with profile: seal, got 300'],
    ['rs.yaml', 'leeway: 0', 'aif: true #', 'aif: expected false with profile: seal, since its scopes are names, got true'],
    ['rs.yaml', 'mode: strict', 'mode: loose', 'seal.mode: expected one of strict, lenient, got "loose"'],
    ['rs.yaml', 'spatial: {}', 'spacial: {}', 'seal.services.spacial: unknown key; did you mean "spatial"?'],
    ['rs.yaml', 'profile: seal\n', '', 'seal: expected profile: seal beside it, got none'],
    ['rs.yaml', 'profile: seal', 'profile: capif', 'profile: expected seal, got "capif"'],
    ['as.yaml', 'issuer: sims.val.example', '#', ': expected an issuer beside profile: seal, since its tokens name it, got none'],
    ['as.yaml', 'profiles: [coap_oscore]', 'exi: true', 'resource_servers.seal1.exi: expected false with profile: seal, since its tokens have exp, got true'],
    [
      'as.yaml',
      'profiles: [coap_oscore]',
      'profiles: [coap_dtls]',
      'resource_servers.seal1.profiles: expected coap_oscore among them with profile: seal, got coap_dtls',
    ],
    ['as.yaml', 'audiences: [seal1] }', 'audiences: [seal2] }', 'seal.services.v2x.audiences[0]: expected an audience of a resource server, got "seal2"'],
    [
      'as.yaml',
      '[anna@val.example], services: [v2x]',
      '[anna@val.example], services: [v3x]',
      'seal.ues.ue1.services[0]: expected a VAL service of seal.services',
    ],
    [
      'as.yaml',
      'anna@val.example: { services: [v2x] }',
      'anna@val.example: { services: [v2x], client: ue1 }',
      'seal.ues.ue1: expected a client of its own, got "ue1", which is user "anna@val.example"',
    ],
    ['client.yaml', 'profile: seal\n', 'profile: seal\nprofiles: [coap_dtls]\n', 'profiles: expected coap_oscore among them with profile: seal, got coap_dtls'],
    ['client.yaml', 'scope: notes:read', 'scope: ""', 'seal.scope: expected scope names with a space between them, got ""'],
  ];
  for (const [file, from, to, expected] of cases) {
    test(`${file}: ${expected}`, () => {
      const found = problems(file, from, to);
      assert.ok(
        found.some((problem) => problem.startsWith(expected)),
        `expected "${expected}", got ${JSON.stringify(found)}`,
      );
    });
  }
});

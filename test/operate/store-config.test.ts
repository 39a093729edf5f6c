import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ConfigError, loadAsConfig, loadClientConfig, loadOscoreContext, loadRsConfig, writeLab } from '../../src/operate/index.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-store-config-'));
after(() => rmSync(base, { recursive: true, force: true }));

const url = 'postgres://ace:pass-word@127.0.0.1:5433/ace';
const roles = { as: loadAsConfig, rs: loadRsConfig, client: loadClientConfig } as const;
type Role = keyof typeof roles;

let labs = 0;

/** A lab whose files of all roles say this of the store. */
async function lab(entry: string): Promise<string> {
  const folder = join(base, `lab${++labs}`);
  await writeLab(folder, { random: (length) => new Uint8Array(length).fill(labs) });
  for (const role of Object.keys(roles)) {
    const file = join(folder, `${role}.yaml`);
    const text = readFileSync(file, 'utf8');
    assert.match(text, /^store: .*$/m);
    writeFileSync(file, text.replace(/^store: .*$/m, entry), { mode: 0o600 });
  }
  return folder;
}

const placesIn = (folder: string): readonly string[] => Object.values(roles).map((load) => load(folder).store);

function refusal(load: () => unknown): string {
  try {
    load();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.ok(!error.message.includes('pass-word'), 'the password stands in the error');
    return error.message;
  }
  return assert.fail('it was loaded');
}

describe('the store in the configuration of each role', () => {
  it('is a folder beside the file, with or without lmdb:', async () => {
    for (const text of ['./state/x', 'lmdb:./state/x', 'lmdb:state/x']) {
      const folder = await lab(`store: ${text}`);
      assert.deepEqual(placesIn(folder), Array(3).fill(join(folder, 'state', 'x')));
    }
    const folder = await lab('store: lmdb:/var/lib/ace');
    assert.deepEqual(placesIn(folder), Array(3).fill('/var/lib/ace'));
  });

  it('is a database, by its URL, by a file with it, or by a variable of the environment', async () => {
    assert.deepEqual(placesIn(await lab(`store: ${url}`)), Array(3).fill(url));
    const lease = async (entry: string): Promise<number | undefined> => loadAsConfig(await lab(entry)).lease;
    assert.deepEqual([await lease(`store: ${url}`), await lease('store: ./state/x')], [5, undefined], 'who has a database has several servers');
    const folder = await lab('store_url_file: database.url');
    writeFileSync(join(folder, 'database.url'), `${url}\n`, { mode: 0o600 });
    assert.deepEqual(placesIn(folder), Array(3).fill(url));
    process.env['ACE_COAP_TEST_STORE'] = url;
    assert.deepEqual(placesIn(await lab('store_url_env: ACE_COAP_TEST_STORE')), Array(3).fill(url));
    delete process.env['ACE_COAP_TEST_STORE'];
  });

  it('a password is for the owner of the file alone', async () => {
    const inline = await lab(`store: ${url}`);
    const named = await lab('store_url_file: database.url');
    writeFileSync(join(named, 'database.url'), url);
    chmodSync(join(named, 'database.url'), 0o644);
    for (const [role, load] of Object.entries(roles)) {
      chmodSync(join(inline, `${role}.yaml`), 0o644);
      assert.match(
        refusal(() => load(inline)),
        /yaml:\d+:\d+: store: .*expected a configuration with a password in it that its owner alone may use, got mode 0644/,
      );
      assert.match(
        refusal(() => load(named)),
        /store_url_file: .*database\.url: expected a file with a password that its owner alone may use, got mode 0644/,
      );
    }
  });

  for (const [entry, wrong] of [
    ['store: redis://u:pass-word@h/1', /store: expected lmdb:FOLDER, a folder, or postgres:\/\/.*, got something else/],
    ['store: postgres:/u:pass-word@h/1', /store: expected lmdb:FOLDER, a folder, or postgres/],
    ['store: ""', /store: expected a store: lmdb:FOLDER/],
    ['store: [a]', /store: expected a store: lmdb:FOLDER, a folder, or postgres:\/\/\.\.\., got a list of 1/],
    ['store: x\nstore_url_env: HOME', /expected one of store, store_url_file and store_url_env, got 2/],
    ['', /expected one of store, store_url_file and store_url_env, got none/],
    ['store_url_file: nowhere', /store_url_file: .*nowhere: expected a file with the URL of a database, got nothing there/],
    ['store_url_env: ACE_COAP_NOT_SET', /store_url_env: the environment variable ACE_COAP_NOT_SET: expected a URL postgres:.*, got nothing/],
    ['store_url_env: HOME', /store_url_env: the environment variable HOME: expected a URL postgres:.*, got something else/],
    ['store_url_env: "a b"', /store_url_env: expected the name of an environment variable, got "a b"/],
  ] as const) {
    it(`refuses ${JSON.stringify(entry)}`, async () => {
      const folder = await lab(entry);
      for (const role of Object.keys(roles) as Role[])
        assert.match(
          refusal(() => roles[role](folder)),
          wrong,
        );
    });
  }

  it('and of an OSCORE context', () => {
    const file = join(base, 'context.json');
    const write = (entries: object): void =>
      writeFileSync(file, JSON.stringify({ master_secret: '0102030405060708090a0b0c0d0e0f10', sender_id: '', recipient_id: '01', ...entries }), {
        mode: 0o600,
      });
    write({});
    assert.equal(loadOscoreContext(file).store, join(base, 'state', 'oscore'));
    write({ store: 'lmdb:other' });
    assert.equal(loadOscoreContext(file).store, join(base, 'other'));
    write({ store: url });
    assert.equal(loadOscoreContext(file).store, url);
    write({ store: 'redis://pass-word' });
    assert.match(
      refusal(() => loadOscoreContext(file)),
      /store: expected lmdb:FOLDER/,
    );
  });
});

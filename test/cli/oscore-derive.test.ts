import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { loadOscoreContext } from '../../src/operate/index.ts';
import { fixture } from '../support/fixtures.ts';
import { aceExits } from './lab.ts';

interface Derivation {
  readonly section: string;
  readonly title: string;
  readonly masterSecret: string;
  readonly masterSalt?: string;
  readonly senderId: string;
  readonly recipientId: string;
  readonly idContext?: string;
  readonly infoSenderKey: string;
  readonly infoRecipientKey: string;
  readonly infoCommonIv: string;
  readonly senderKey: string;
  readonly recipientKey: string;
  readonly commonIv: string;
  readonly senderNonce: string;
  readonly recipientNonce: string;
}

const { derivations } = fixture<{ readonly derivations: readonly Derivation[] }>('oscore/rfc8613-appendix-c.json');

let folder: string;

/** Each bit the other way: what 5 bytes of ones make of the end of a Common IV. */
const inverted = (hex: string): string => [...hex].map((digit) => (15 - Number.parseInt(digit, 16)).toString(16)).join('');

function contextFile({ section, masterSecret, masterSalt, senderId, recipientId, idContext }: Derivation): string {
  const path = join(folder, `${section}.json`);
  const context = { master_secret: masterSecret, master_salt: masterSalt, sender_id: senderId, recipient_id: recipientId, id_context: idContext };
  writeFileSync(path, JSON.stringify(context), { mode: 0o600 });
  return path;
}

describe('ace-coap oscore', { concurrency: 3 }, () => {
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'ace-coap-derive-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const derivation of derivations) {
    test(`derive: RFC 8613 ${derivation.section}, ${derivation.title}`, async () => {
      const file = contextFile(derivation);
      const { senderKey, recipientKey, commonIv, infoSenderKey, infoRecipientKey, infoCommonIv, senderNonce, recipientNonce } = derivation;
      const json = JSON.parse((await aceExits(0, ['oscore', 'derive', file, '--json'])).stdout);
      const { sender, recipient, common_iv } = json;
      assert.deepEqual([sender.id, recipient.id, json.id_context], [derivation.senderId, derivation.recipientId, derivation.idContext]);
      assert.deepEqual([sender.key.value, recipient.key.value, common_iv.value], [senderKey, recipientKey, commonIv]);
      assert.deepEqual([sender.key.info, recipient.key.info, common_iv.info], [infoSenderKey, infoRecipientKey, infoCommonIv]);
      assert.deepEqual([json.partial_iv, sender.nonce, recipient.nonce], ['00', senderNonce, recipientNonce]);
      const { stdout } = await aceExits(0, ['oscore', 'derive', file]);
      for (const value of [senderKey, recipientKey, commonIv, infoSenderKey, infoRecipientKey, infoCommonIv, senderNonce, recipientNonce])
        assert.ok(stdout.includes(` ${value}\n`), value);
    });
  }

  test('derive: RFC 8613 C.4, nonce and AAD for a Partial IV; info in diagnostic notation; algorithms by name', async () => {
    const file = contextFile(derivations[0]!);
    const { stdout } = await aceExits(0, ['oscore', 'derive', file, '--partial-iv', '20']);
    assert.match(stdout, /^AEAD +AES-CCM-16-64-128\nHKDF +HKDF SHA-256\nID Context +none\n/);
    assert.match(stdout, /^ +\[h'', null, 10, "Key", 16\]$/m);
    assert.match(stdout, /^ +\[h'', null, 10, "IV", 13\]$/m);
    assert.match(stdout, /^Partial IV 14; [\s\S]*sender nonce +4622d4dd6d944168eefb549868\n +AAD +8368456e63727970743040488501810a40411440$/m);
    const { partial_iv, sender } = JSON.parse((await aceExits(0, ['oscore', 'derive', file, '--partial-iv', String(2 ** 40 - 1), '--json'])).stdout);
    assert.deepEqual([partial_iv, sender.nonce], ['ffffffffff', `4622d4dd6d944168${inverted('eefb54987c')}`]);
    for (const wrong of ['-1', '1.5', String(2 ** 40), 'x'])
      assert.match((await aceExits(2, ['oscore', 'derive', file, '--partial-iv', wrong])).stderr, /expected a whole number from 0 to 2\^40-1|argument missing/);
  });

  test('init: a pair that fits, once', async () => {
    const { stdout } = await aceExits(0, ['oscore', 'init', 'made', '--client-id', '0a', '--aead', 'A128GCM'], { cwd: folder });
    assert.match(stdout, /ace-coap serve --oscore made\/server\.json/);
    assert.deepEqual(readdirSync(join(folder, 'made')).sort(), ['client.json', 'server.json']);
    const [client, server] = ['client', 'server'].map((name) => loadOscoreContext(join(folder, 'made', `${name}.json`)).parameters);
    assert.deepEqual([client!.senderId, client!.recipientId, client!.aead], [server!.recipientId, server!.senderId, 1]);
    assert.deepEqual(client!.masterSecret, server!.masterSecret);
    const text = readFileSync(join(folder, 'made', 'client.json'), 'utf8');
    assert.match((await aceExits(2, ['oscore', 'init', 'made'], { cwd: folder })).stderr, /got one with client\.json in it; its keys are not overwritten/);
    assert.equal(readFileSync(join(folder, 'made', 'client.json'), 'utf8'), text);
    await aceExits(0, ['oscore', 'init', 'other'], { cwd: folder });
    assert.notDeepEqual(loadOscoreContext(join(folder, 'other', 'client.json')).parameters.masterSecret, client!.masterSecret);
  });

  for (const [what, args, said] of [
    ['an AEAD that is none', ['--aead', 'A512GCM'], /--aead: expected one of A128GCM, .*; got "A512GCM"/],
    ['an HKDF that is none', ['--hkdf', 'constructor'], /--hkdf: expected one of HKDF SHA-256, HKDF SHA-512; got "constructor"/],
    ['an identifier that is no hex', ['--client-id', 'client'], /--client-id: expected hexadecimal, got "client"/],
    ['equal identifiers', ['--client-id', '02'], /expected a Recipient ID that is not the Sender ID, got the same/],
    ['an identifier that is too long', ['--server-id', '0102030405060708'], /expected a Recipient ID of at most 7 bytes, got 8/],
  ] as const) {
    test(`init: exit code 2 for ${what}, and nothing is made`, async () => {
      const { stderr } = await aceExits(2, ['oscore', 'init', 'never', ...args], { cwd: folder });
      assert.match(stderr, said);
      assert.equal(readdirSync(folder).includes('never'), false);
    });
  }
});

import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { describe, test } from 'node:test';
import { AanfClient, parseAfId } from '../../profiles/seal/akma/index.ts';
import { fromHex } from '../../src/core/bytes.ts';
import { ace, aceExits } from './lab.ts';

const kAusf = Array.from({ length: 32 }, (_, index) => index.toString(16).padStart(2, '0')).join('');
const supi = 'imsi-001010000000001';
const kAkma = 'bba5e95f1205d4f1c217b91e08ec3509ad62cfbf43f474c6bf495da83132c95e';
const kAf = '23bef238a002c758f42845fe1422dde4a9f287016074128f5c5101bcb28b9adb';
const af = 'msgin5g.example.com/0100000007';
const derive = ['seal', 'akma', 'derive'];

describe('ace-coap seal akma', { concurrency: 3 }, () => {
  test('derive: keys from K_AUSF and from K_AKMA, shown when that is asked for', async () => {
    const env = { ACE_COAP_KAUSF: kAusf };
    const [shown, hidden, text] = await Promise.all([
      aceExits(0, [...derive, '--supi', supi, '--af', af, '--gpsi', 'msisdn-491710000001', '--show-keys', '--json'], { env }),
      aceExits(0, [...derive, '--supi', supi, '--af', af, '--json', '--kausf', '-'], { input: kAusf }),
      aceExits(0, [...derive, '--kakma', kAkma, '--a-kid', 'me@realm.example', '--af', af]),
    ]);
    const { a_kid, ...rest } = JSON.parse(shown.stdout);
    assert.deepEqual(rest, { k_akma: kAkma, supi, gpsi: 'msisdn-491710000001', af_id: af, psk_identity: `3GPP-AKMA;${a_kid}`, k_af: kAf });
    assert.deepEqual(JSON.parse(hidden.stdout), { a_kid, supi, af_id: af, psk_identity: `3GPP-AKMA;${a_kid}` });
    assert.match(text.stdout, /^A-KID +me@realm\.example\nK_AKMA +32 bytes, hidden/);
    assert.ok(!text.stdout.includes(kAf));
  });

  test('derive: wrong use says what was expected, and no key', async () => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [['--kausf', kAusf.slice(2), '--supi', supi], /K_AUSF: expected 32 bytes, got 31/],
      [['--kakma', kAkma], /--a-kid: expected an A-KID/],
    ];
    await Promise.all(
      cases.map(async ([args, expected]) => {
        const { stderr } = await aceExits(2, [...derive, ...args]);
        assert.match(stderr, expected);
        assert.ok(!stderr.includes(kAusf.slice(2)) && !stderr.includes(kAkma));
      }),
    );
  });

  test('aanf: serves the subscribers of a file, on loopback alone', async () => {
    const line = JSON.stringify({ a_kid: 'me@realm.example', k_akma: kAkma, supi, gpsi: 'msisdn-491710000001' });
    let asked: Promise<void> | undefined;
    const ask = async (apiRoot: string, child: ChildProcess): Promise<void> => {
      const key = await new AanfClient({ apiRoot }).retrieveApplicationKey('me@realm.example', parseAfId(af));
      child.kill('SIGTERM');
      assert.deepEqual(key?.kAf, fromHex(kAf));
      assert.deepEqual([key?.supi, key?.gpsi], [undefined, 'msisdn-491710000001']);
    };
    const run = await ace(['seal', 'akma', 'aanf', '--subscribers', '-', '--hide-supi', '--json'], {
      input: `${line}\n\n`,
      onOutput: (stdout, child) => {
        if (stdout.endsWith('\n')) asked ??= ask(JSON.parse(stdout).api_root, child);
      },
    });
    await asked;
    assert.equal(run.code, 0, run.stderr);
    assert.equal(JSON.parse(run.stdout).subscribers, 1);
    const wrong = async (args: readonly string[], input: string): Promise<string> =>
      (await aceExits(2, ['seal', 'akma', 'aanf', '--subscribers', '-', ...args], { input })).stderr;
    assert.match(await wrong(['--listen', '0.0.0.0:0'], line), /address of loopback/);
    const short = await wrong([], line.replace(kAkma, kAkma.slice(2)));
    assert.match(short, /-: line 1: expected a_kid and supi/);
    assert.ok(!short.includes(kAkma.slice(2)));
  });
});

import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/wait.ts';
import { aceExits, Lab } from './lab.ts';

test('experimental: [token-upload] in the three files: the AS uploads over real sockets, beside a channel of the RS to it, and goes on after restarts', async () => {
  const lab = await Lab.start(({ folder, rsPort }) => {
    for (const file of ['as.yaml', 'rs.yaml', 'client.yaml']) appendFileSync(join(folder, file), '\nexperimental: [token-upload]\n');
    appendFileSync(join(folder, 'rs.yaml'), '\nrevocation: { observe: true, interval: 30 }\n');
    const as = join(folder, 'as.yaml');
    const uri = `coap://127.0.0.1:${rsPort}/authz-info`;
    writeFileSync(as, readFileSync(as, 'utf8').replace('audiences: [rs1]', `audiences: [rs1]\n    authz_info: ${uri}`));
  });
  try {
    const of = (server: 'as' | 'rs', name: string): readonly Record<string, unknown>[] => lab[server].log().filter(({ msg }) => msg === name);
    const get = async (path: string): Promise<string> => (await aceExits(0, ['get', lab.uri(path), '-v', '--config', lab.folder])).stderr;
    await until(() => of('rs', 'revocation-list').some(({ reason }) => reason === 'reached'));
    assert.match(await get('/temperature'), /upload.* by the AS/);
    assert.deepEqual(
      of('as', 'token-uploaded').map(({ outcome }) => outcome),
      ['uploaded'],
    );
    assert.equal(of('as', 'token-uploaded')[0]?.['token'], of('as', 'token-issued')[0]?.['token']);
    await get('/temperature');
    assert.equal(of('as', 'token-issued').length, 1, 'the context is kept from run to run');
    await lab.as.stop();
    await lab.rs.stop();
    await Promise.all([lab.as.start(), lab.rs.start()]);
    await get('/temperature');
    await aceExits(0, ['get', lab.uri('/led'), '--scope', 'r_led', '--config', lab.folder]);
    assert.deepEqual(
      of('as', 'token-uploaded').map(({ outcome }) => outcome),
      ['uploaded', 'uploaded'],
    );
  } finally {
    await lab.end();
  }
});

test('an RS that is to take uploads of an AS needs a channel to it', async () => {
  const lab = await Lab.start();
  try {
    const file = join(lab.folder, 'rs.yaml');
    const text = readFileSync(file, 'utf8').replace(/\n {4}oscore:\n(?: {6}.*\n)+/, '\n');
    writeFileSync(file, `${text}\nexperimental: [token-upload]\n`);
    await lab.rs.stop();
    const { stderr } = await aceExits(2, ['rs', lab.folder], { process: false });
    assert.match(stderr, /experimental.*expected an issuer with a section oscore or dtls/s);
  } finally {
    await lab.end();
  }
});

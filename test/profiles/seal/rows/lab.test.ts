import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatCode } from '../../../../src/coap/index.ts';
import { inLab, serverAddress, simSAddress } from './lab.ts';

for (const profile of ['oscore', 'dtls'] as const) {
  test(`TS 33.434 B.3.4: SIM-S, SEAL server and SIM-C of the lab, ${profile}`, async () => {
    await inLab({ profile }, async (lab) => {
      assert.equal((await lab.fetch('/note', { method: 'PUT', payload: 'hello' })).codeText, '2.04');
      await lab.restartServer();
      assert.equal((await lab.fetch('/note')).text(), 'hello');
      assert.deepEqual(lab.handled, ['PUT /note', 'GET /note']);
      assert.ok(!lab.wireHas('hello'));
      assert.deepEqual(lab.server.stats()['tokens'], 1);
    });
  });
}

test('RFC 9200 5.10.1.1: tokens that the lab makes by itself, and requests that nothing protects', async () => {
  await inLab({}, async (lab) => {
    assert.equal(await lab.upload(lab.token()), '2.01');
    assert.equal(await lab.upload(lab.token({ exp: undefined, exi: 100 })), '4.00');
    assert.equal(await lab.upload(lab.token({ aud: 'other' })), '4.03');
    assert.deepEqual(lab.refusals(), ['ERR_SEAL_CLAIM', 'ERR_RS_AUDIENCE']);
    assert.equal(formatCode((await lab.plain('GET', '/note', { to: serverAddress })).code), '4.01');
    assert.equal(formatCode((await lab.plain('POST', '/token', { to: simSAddress })).code), '4.01');
    assert.ok(lab.wireHas('authz-info'));
  });
});

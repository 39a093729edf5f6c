import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runBlock } from './shell.ts';

describe('README, "Your first token"', { concurrency: 3 }, () => {
  test('OSCORE contexts: token, GET, PUT, and a client of one’s own', async (t) => {
    const { text } = await runBlock(t, 'oscore');
    assert.match(text, /^token response, \d+ bytes of them the token:$[\s\S]*\/ osc \/ 4:/m);
    assert.equal([...text.matchAll(/^2\.05 Content .* protected by OSCORE\n\d+\.\d C$/gm)].length, 2, text);
    assert.match(text, /^2\.04 Changed .* protected by OSCORE$/m);
    assert.match(text, /^added client pump7$/m);
    assert.doesNotMatch(text, /error:/);
  });

  for (const [name, what, credentials] of [
    ['dtls-psk', 'pre-shared keys of DTLS', /^token response, [\s\S]*\/ kty \/ 1: 4/m],
    ['dtls-rpk', 'raw public keys of DTLS', /^token response, [\s\S]*\/ rs_cnf \/ 41: [\s\S]*\/ kty \/ 1: 2/m],
  ] as const) {
    test(`${what}: token and GET`, async (t) => {
      const { text } = await runBlock(t, name);
      assert.match(text, credentials);
      assert.match(text, /^2\.05 Content .* protected by DTLS[^\n]*\n\d+\.\d C$/m);
      assert.doesNotMatch(text, /error:/);
    });
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noticePage } from '../../../../../profiles/seal/https/login/page.ts';
import { pageMessage } from '../../../../../profiles/seal/https/login/send-page.ts';

/** What CSP Level 3, Section 2.3.1, calls a scheme-source or a host-source, without a path. */
const source = /^(?:[a-z][a-z0-9+.-]*:|(?:[a-z][a-z0-9+.-]*:\/\/)?(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::\d+)?)$/i;

test('RFC 8252 7: the policy of a page lets its form on to each kind of redirect URI, by a source that browsers read', () => {
  const expected = [
    ['https://app.example:8443/callback?x=1', 'https://app.example:8443'],
    ['http://127.0.0.1:51004/callback', 'http://127.0.0.1:51004'],
    ['com.example.app:/callback', 'com.example.app:'],
    // Section 7.3: an IPv6 address is no host of a policy.
    ['http://[::1]:51004/callback', 'http:'],
  ] as const;
  for (const [uri, wanted] of expected) {
    const { headers } = pageMessage(200, noticePage('x'), uri);
    const policy = String(headers['Content-Security-Policy']);
    const [, given = ''] = /form-action 'self' ([^;]*);/.exec(policy) ?? [];
    assert.equal(given, wanted, uri);
    assert.match(given, source, uri);
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConformanceCase, conformanceCases } from '../../src/conformance/index.ts';
import { authorizationServer, check, oscoreServer, patience, resourceServer, type Tested } from './lab.ts';

const casesOf = (...prefixes: readonly string[]): readonly ConformanceCase[] =>
  conformanceCases.filter(({ id }) => prefixes.some((prefix) => id.startsWith(prefix)));

/** `expected`: how many cases pass at least, so that none is left out for want of something. Over DTLS those that handshakes and keys have a part in. */
const ours: readonly (readonly [name: string, cases: readonly ConformanceCase[], expected: number, make: () => Promise<Tested>])[] = [
  ['an endpoint behind OSCORE', casesOf('oscore-'), 51, () => oscoreServer()],
  ['a resource server of coap_oscore', casesOf('rs-', 'oscore-win'), 78, () => resourceServer('coap_oscore')],
  ['a resource server of coap_dtls', casesOf('rs-dtls', 'rs-access-01'), 16, () => resourceServer('coap_dtls')],
  ['an authorization server over OSCORE', casesOf('as-'), 63, () => authorizationServer('oscore')],
  ['an authorization server over DTLS with pre-shared keys', casesOf('as-psk', 'as-intro', 'as-err-13'), 13, () => authorizationServer('dtls-psk')],
  ['an authorization server over DTLS with raw public keys', casesOf('as-rpk', 'as-token-1'), 6, () => authorizationServer('dtls-rpk')],
];

for (const [name, cases, expected, make] of ours)
  test(`conformance: ${name} passes every case that fits it`, async () => {
    const server = await make();
    try {
      // What has to come does, however busy the machine is.
      const results = await check(server, cases, { change: patience.answer });
      assert.deepEqual(
        results
          .filter(({ outcome }) => outcome === 'fail' || outcome === 'checker fault')
          .map(({ case: { id }, wanted, came, reason }) => [id, wanted ?? reason, came]),
        [],
      );
      assert.ok(results.filter(({ outcome }) => outcome === 'pass').length >= expected);
    } finally {
      await server.close();
    }
  });

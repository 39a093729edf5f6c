import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConformanceCase, conformanceCases } from '../../src/conformance/index.ts';
import { authorizationServer, check, oscoreServer, resourceServer, type Tested } from './lab.ts';

const casesOf = (prefix: string): readonly ConformanceCase[] => conformanceCases.filter(({ id }) => id.startsWith(prefix));

/** `expected`: how many cases run at least, so that none is left out for want of something. */
const ours: readonly (readonly [name: string, prefix: string, expected: number, make: () => Promise<Tested>])[] = [
  ['an endpoint behind OSCORE', 'oscore-', 50, () => oscoreServer()],
  ['a resource server of coap_oscore, by OSCORE', 'oscore-', 40, () => resourceServer('coap_oscore')],
  ['a resource server of coap_oscore', 'rs-', 60, () => resourceServer('coap_oscore')],
  ['a resource server of coap_dtls', 'rs-', 40, () => resourceServer('coap_dtls')],
  ['an authorization server over OSCORE', 'as-', 55, () => authorizationServer('oscore')],
  ['an authorization server over DTLS with pre-shared keys', 'as-', 50, () => authorizationServer('dtls-psk')],
  ['an authorization server over DTLS with raw public keys', 'as-', 50, () => authorizationServer('dtls-rpk')],
];

for (const [name, prefix, expected, make] of ours)
  test(`conformance: ${name} passes every case that fits it`, async () => {
    const server = await make();
    try {
      const results = await check(server, casesOf(prefix));
      if (process.env['DBG']) for (const r of results.filter(({ outcome }) => outcome !== 'pass')) console.log(r.case.id, r.outcome, r.wanted, '|', r.came, r.reason);
      if (process.env['DBG']) console.log(name, results.filter(({ outcome }) => outcome === 'pass').length, results.map((r) => r.duration).sort((a, b) => b - a).slice(0, 5));
      assert.deepEqual(
        results.filter(({ outcome }) => outcome === 'fail' || outcome === 'checker fault').map(({ case: { id }, wanted, came, reason }) => [id, wanted ?? reason, came]),
        [],
      );
      assert.ok(results.filter(({ outcome }) => outcome === 'pass').length >= expected);
    } finally {
      await server.close();
    }
  });

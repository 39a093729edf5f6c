import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { AuthorizationServer } from '../../src/as/index.ts';
import { AceClient } from '../../src/client/index.ts';
import { optionFault } from '../../src/core/options.ts';
import { Gateway } from '../../src/gateway/index.ts';
import { ResourceServer } from '../../src/rs/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { Simulator } from '../support/simulator.ts';

test('options: the first name without a value, and what was not awaited', () => {
  const options: { a?: number | null; b?: string } = { a: 0, b: '' };
  assert.equal(optionFault(options, ['a', 'b']), undefined);
  const none = 'a: expected a value, got none';
  assert.equal(optionFault({ ...options, a: null }, ['b', 'a']), none);
  assert.equal(optionFault({} as { a?: number }, ['a']), none);
  assert.equal(optionFault(undefined as unknown as { a?: number }, ['a']), none);
  assert.equal(optionFault({ ...options, b: Promise.resolve('') }, ['a', 'b']), 'b: expected what its promise gives, got the promise: is an await missing?');
});

test('options: each role names the one that a JavaScript program left out', () => {
  const common = { store: memoryStore(), profiles: [oscoreProfile] };
  const roles: readonly (readonly [string, new (options: never) => object, Record<string, unknown>])[] = [
    ['ERR_AS_CONFIG', AuthorizationServer, { ...common, clients: [], resourceServers: [] }],
    ['ERR_RS_CONFIG', ResourceServer, { ...common, audience: 'rs1', issuers: [] }],
    ['ERR_COAP_PARAMETER', Gateway, { authorize: false, upstreams: {} }],
    ['ERR_ACE_CONFIG', AceClient, { ...common, transport: new Simulator().transport('10.0.0.1', 5683), authorizationServers: [] }],
  ];
  for (const [code, Role, options] of roles) {
    assert.throws(() => new Role(undefined as never), { code });
    for (const name of Object.keys(options)) {
      const { [name]: _left, ...rest } = options;
      assert.throws(() => new Role(rest as never), { code, message: `${name}: expected a value, got none` });
      assert.throws(() => new Role({ ...options, [name]: Promise.resolve(options[name]) } as never), {
        code,
        message: /^\w+: expected what its promise gives/,
      });
    }
  }
});

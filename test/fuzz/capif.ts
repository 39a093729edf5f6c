import assert from 'node:assert/strict';
import { formatCapifScope, parseCapifScope, readSecurityNotification, readServiceSecurity } from '../../profiles/seal/https/index.ts';
import { fromHex, utf8 } from '../../src/core/bytes.ts';
import { readPskIdentities } from '../../src/transport/psk-gate.ts';
import { mutateBytes } from './mutate.ts';
import type { Target } from './target.ts';
import { ofText } from './trials.ts';

const information = {
  aefId: 'san1',
  apiId: 'anchors',
  prefSecurityMethods: ['PKI', 'OAUTH'],
  selSecurityMethod: 'PKI',
  authorizationInfo: '3gpp#san1:anchors',
};
const context = { securityInfo: [information], notificationDestination: 'https://val1.example/' };
const notification = { apiInvokerId: 'val1', aefId: 'san1', apiIds: ['anchors'], cause: 'OVERLIMIT_USAGE' };
const hello = `0100005603032222${'22'.repeat(30)}00000213010100002b0029002700080004616e6e610000000000190000000000000000000000000000000000000000000000000000`;

/** Decoders of CAPIF, and of what a TLS handshake says of PSKs. */
export const capifDecoders: readonly Target[] = [
  ofText('scope of CAPIF', ['3gpp#aef1:api1,api2;aef2:api3'], (text) => {
    assert.equal(formatCapifScope(parseCapifScope(text)), text);
  }),
  {
    name: 'ServiceSecurity',
    seeds: [utf8(JSON.stringify(context))],
    mutate: mutateBytes,
    run: (input) => {
      const read = readServiceSecurity(input);
      assert.deepEqual(readServiceSecurity(utf8(JSON.stringify(read))), read);
    },
  },
  {
    name: 'SecurityNotification',
    seeds: [utf8(JSON.stringify(notification)), utf8(JSON.stringify({ revokeInfo: notification, supportedFeatures: '0' }))],
    mutate: mutateBytes,
    run: (input) => void readSecurityNotification(input),
  },
  {
    name: 'PSK identities of a TLS handshake',
    seeds: [fromHex(hello), fromHex('100000070004616e6e6100')],
    mutate: mutateBytes,
    run: (input) => void readPskIdentities(input),
  },
];

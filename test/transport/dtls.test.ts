import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromUtf8 } from '../../src/core/bytes.ts';
import { alice, bob, carol, known, party, whoami } from './dtls-parties.ts';

describe('coaps', () => {
  for (const [name, credentials] of Object.entries({ alice, bob, carol }))
    it(`a request in a session has the association of its client: ${name}`, async (t) => {
      const server = await party(t, known, { handler: whoami });
      const client = await party(t, { credentials });
      const peer = await client.endpoint.resolve('127.0.0.1', server.endpoint.local.port);
      const response = await client.endpoint.request({ peer });
      assert.equal(fromUtf8(response.payload), `dtls ${name}`);
      assert.equal(response.association, peer.association);
      assert.equal(peer.association?.kind, 'dtls');
    });
});

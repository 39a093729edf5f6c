import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { AuthorizationServer } from '../../src/as/index.ts';
import { AceClient } from '../../src/client/index.ts';
import { findOption, type Message, OptionNumber } from '../../src/coap/index.ts';
import type { TokenKey } from '../../src/core/cwt.ts';
import { ResourceServer } from '../../src/rs/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { tap, udp } from '../../src/transport/index.ts';
import { until } from '../support/wait.ts';
import { kinds } from '../transport/stream-transports.ts';

const tokenKey: TokenKey = { use: 'encrypt0', algorithm: 10, key: { kty: 4, k: new Uint8Array(16).fill(7) } };
const large = 'x'.repeat(30_000);

for (const kind of kinds) {
  for (const asTransport of ['coap', kind.scheme] as const) {
    test(`ACE over ${kind.scheme}, the AS on ${asTransport}: token, upload, protected requests, large bodies, observation`, async (t) => {
      const as = new AuthorizationServer({
        store: memoryStore(),
        profiles: [oscoreProfile],
        clients: [
          {
            id: 'c1',
            credentials: { masterSecret: new Uint8Array(16).fill(1), senderId: Uint8Array.of(0xa0), recipientId: Uint8Array.of(0xc0) },
            grants: [{ audience: 'rs1', scope: 'all' }],
          },
        ],
        resourceServers: [{ id: 'rs1', audiences: ['rs1'], tokenKeys: [tokenKey] }],
      });
      const { port: asPort } = (await as.listen(asTransport === 'coap' ? await udp() : await kind.server())).local;
      const asUri = `${asTransport}://127.0.0.1:${asPort}/token`;
      const rs = new ResourceServer({
        audience: 'rs1',
        issuers: [{ uri: asUri, tokenKeys: [tokenKey] }],
        profiles: [oscoreProfile],
        store: memoryStore(),
        scopes: { all: { '/value': ['GET', 'PUT'] } },
      });
      let value = 'first';
      const handle = rs.resource('/value', {
        observable: true,
        get: () => value,
        put: (request) => {
          value = request.text();
          return undefined;
        },
      });
      const { port } = (await rs.listen([await kind.server(), await udp()])).local;
      const messages: Message[] = [];
      const client = new AceClient({
        transport: [tap(await kind.client(), ({ message }) => messages.push(message!)), await udp()],
        store: memoryStore(),
        profiles: [oscoreProfile],
        authorizationServers: [
          { uri: asUri, credentials: { masterSecret: new Uint8Array(16).fill(1), senderId: Uint8Array.of(0xc0), recipientId: Uint8Array.of(0xa0) } },
        ],
      });
      t.after(() => Promise.all([client.close(), rs.close(), as.close()]));
      const uri = `${kind.scheme}://127.0.0.1:${port}/value`;
      assert.equal((await client.fetch(uri)).text(), 'first');
      assert.equal((await client.fetch(uri, { method: 'PUT', payload: large })).codeText, '2.04');
      assert.equal((await client.fetch(uri)).text(), large);
      const heard: string[] = [];
      for await (const answer of client.observe(uri)) {
        heard.push(answer.text());
        if (heard.length === 3) break;
        value = `state ${heard.length}`;
        handle.changed();
      }
      assert.deepEqual(heard, [large, 'state 1', 'state 2']);
      await until(() => rs.stats()['endpoint.observers'] === 0);
      // The payload is only ever seen inside OSCORE.
      assert.ok(messages.some(({ options }) => findOption(options, OptionNumber.Oscore) !== undefined));
      for (const { payload } of messages) assert.ok(!Buffer.from(payload).includes('state ') && !Buffer.from(payload).includes('xxxxxxxx'));
    });
  }
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientSession } from '../../../profiles/dtls/client-session.ts';
import type { Peer } from '../../../src/coap/index.ts';
import type { DtlsAssociation, DtlsSessions } from '../../../src/dtls/index.ts';

const peer: Peer = { key: '10.0.0.2:5684', address: '10.0.0.2', port: 5684, scheme: 'coaps' };
const credentials = { psk: { identity: Uint8Array.of(1), key: new Uint8Array(16) } };

test('RFC 9202 5: a session that is given up while its handshake goes on ends when that is over, and nobody gets it', async () => {
  const open = new Set<string>();
  let finish = (): void => {};
  const sessions: DtlsSessions<Peer> = {
    authenticate: () => () => {},
    connect: (at, { credential }) =>
      new Promise((resolve) => {
        finish = () => {
          open.add(credential!);
          resolve({ ...at, association: { kind: 'dtls', id: 'session 1', credential } as DtlsAssociation });
        };
      }),
    end: (credential) => Number(open.delete(credential)),
  };
  const session = new ClientSession(sessions, 'towards rs1', credentials);
  const opening = session.open(peer);
  session.end();
  finish();
  await assert.rejects(opening, { code: 'ERR_DTLS_PROFILE_SESSION' });
  assert.deepEqual([...open], []);
  assert.equal(session.peer, undefined);
});

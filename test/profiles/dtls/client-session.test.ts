import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientSession } from '../../../profiles/dtls/client-session.ts';
import type { Peer } from '../../../src/coap/index.ts';
import { utf8 } from '../../../src/core/bytes.ts';
import type { DtlsSessions } from '../../../src/dtls/index.ts';

type Opened = Awaited<ReturnType<DtlsSessions<Peer>['connect']>>;

test('RFC 9202 5: a session that is given up while it is opened is ended when it is there, and carries nothing', async () => {
  const at: Peer = { key: '10.0.0.2:5683', address: '10.0.0.2', port: 5683 };
  const ended: string[] = [];
  let open: (peer: Opened) => void = () => {};
  const sessions: DtlsSessions<Peer> = {
    authenticate: () => () => {},
    connect: () =>
      new Promise((resolve) => {
        open = resolve;
      }),
    end: (credential) => ended.push(credential),
  };
  const session = new ClientSession(sessions, 'session 1', { psk: { identity: utf8('device'), key: new Uint8Array(16) } });
  const opening = session.open(at);
  session.end();
  open({ ...at } as Opened);
  await assert.rejects(opening, { code: 'ERR_DTLS_PROFILE_SESSION' });
  assert.equal(session.peer, undefined);
  assert.deepEqual(ended, ['session 1', 'session 1']);
});

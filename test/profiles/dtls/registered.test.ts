import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeTokenResponse, encodeTokenRequest, type TokenRequest } from '../../../src/ace/index.ts';
import { AuthorizationServer, type ClientRegistration } from '../../../src/as/index.ts';
import { Endpoint, formatCode, Method, type Peer, pathOptions, type Response, uintOption } from '../../../src/coap/index.ts';
import { utf8 } from '../../../src/core/bytes.ts';
import type { CoseKey } from '../../../src/core/cose/index.ts';
import type { SessionCredentials } from '../../../src/dtls/index.ts';
import { memoryStore, type Store } from '../../../src/store/index.ts';
import { dtlsOver } from '../../../src/transport/index.ts';
import { Simulator } from '../../support/simulator.ts';
import { partyAt, rawKey, serverKey, tokenKey } from './parties.ts';

const grants = [{ audience: 'rs1', scope: 'r_temp' }];
const psk = (name: string): { identity: Uint8Array; key: Uint8Array } => ({ identity: utf8(name), key: new Uint8Array(16).fill(name.length) });
const byPsk = (id: string): ClientRegistration => ({ id, credentials: { psk: psk(id) }, grants });
const byKey = (id: string, key: CoseKey): ClientRegistration => {
  const { d: _private, ...point } = key;
  return { id, credentials: { rawPublicKey: point }, grants };
};

/** An AS whose clients are all in its store. */
class Office {
  readonly sim: Simulator = new Simulator();
  readonly store: Store = memoryStore({ env: this.sim.env() });
  as!: AuthorizationServer;
  #ports = 40_000;

  async start(address = '10.0.0.1'): Promise<AuthorizationServer> {
    const env = this.sim.env(`as ${address}`);
    const { profile, transport } = partyAt({ role: 'as', simulator: this.sim, env, address, port: 5683 }, {});
    const as = new AuthorizationServer({
      store: this.store,
      profiles: [profile],
      clients: [],
      resourceServers: [{ id: 'rs1', audiences: ['rs1'], tokenKeys: [tokenKey], rawPublicKey: serverKey }],
      env,
    });
    await as.listen(transport);
    this.as ??= as;
    return as;
  }

  /** A session, and token requests in it. */
  async open(credentials: SessionCredentials, address = '10.0.0.1'): Promise<{ token(more?: TokenRequest): Promise<Response>; close(): Promise<void> }> {
    const env = this.sim.env(`client ${++this.#ports}`);
    const sessions = dtlsOver(this.sim.transport('10.0.0.3', this.#ports), { env });
    const endpoint = new Endpoint({ transport: sessions, env });
    const peer = (await this.sim.finish(sessions.connect(this.sim.peer(address, 5684), credentials))) as Peer;
    const options = [...pathOptions(['token']), uintOption(12, 19)];
    return {
      token: (more = {}) => this.sim.finish(endpoint.request({ code: Method.POST, peer, options, payload: encodeTokenRequest({ audience: 'rs1', ...more }) })),
      close: () => endpoint.close(),
    };
  }
}

test('a client of the store is found by its PSK identity; removed, its session ends, here at once and elsewhere at the next request', async () => {
  const office = new Office();
  await office.start();
  const other = await office.start('10.0.0.2');
  await office.as.administration.addClient(byPsk('device-9'));
  const [here, there] = [await office.open({ psk: psk('device-9') }), await office.open({ psk: psk('device-9') }, '10.0.0.2')];
  assert.equal(formatCode((await here.token()).code), '2.01');
  assert.equal(formatCode((await there.token()).code), '2.01');
  await office.as.administration.removeClient('device-9');
  await assert.rejects(here.token());
  assert.equal(formatCode((await there.token()).code), '4.01');
  await assert.rejects(there.token());
  await assert.rejects(office.open({ psk: psk('device-9') }));
  await assert.rejects(office.open({ psk: psk('device-10') }), 'an identity of nobody');
  for (const one of [here, there, office.as, other]) await one.close();
});

test('a client of the store is found by its raw public key, and its tokens are bound to that key', async () => {
  const office = new Office();
  await office.start();
  const own = rawKey(9) as Extract<SessionCredentials, { rawPublicKey: unknown }>['rawPublicKey']['own'] & CoseKey;
  await office.as.administration.addClient(byKey('device-9', own));
  await assert.rejects(office.as.administration.addClient(byKey('device-10', own)), { code: 'ERR_AS_EXISTS' });
  assert.match(JSON.stringify((await office.as.administration.showClient('device-9'))['channel']), /spki\.[\w-]{43}/);
  const server = serverKey as typeof own;
  const session = await office.open({ rawPublicKey: { server, own } });
  const { d: _private, ...coseKey } = own;
  const granted = await session.token({ reqCnf: { coseKey } });
  assert.equal(formatCode(granted.code), '2.01');
  assert.deepEqual(decodeTokenResponse(granted.payload).rsCnf?.coseKey?.x, serverKey.x, 'the key of the RS stands in its registration');
  assert.equal(formatCode((await session.token({ reqCnf: { coseKey: serverKey } })).code), '4.00', 'a key of somebody else');
  await assert.rejects(office.open({ rawPublicKey: { server, own: rawKey(10) as typeof own } }));
  await session.close();
  await office.as.close();
});

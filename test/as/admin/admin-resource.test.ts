import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeTokenResponse } from '../../../src/ace/index.ts';
import { type AdminCommand, type ClientRegistration, clientMap, decodeAdminAnswer, encodeAdminCommand, type Listing } from '../../../src/as/index.ts';
import { decodeProblemDetails, formatCode, Method, type Peer, pathOptions, type Response, uintOption } from '../../../src/coap/index.ts';
import { fromUtf8 } from '../../../src/core/bytes.ts';
import { asPeer, Flow, type Party } from '../flow.ts';
import { clients } from '../support.ts';

const otherPeer: Peer = { key: '10.0.0.9:5684', address: '10.0.0.9', port: 5684 };

function registration(id: string, number: number, more: Partial<ClientRegistration> = {}): ClientRegistration {
  const credentials = { masterSecret: new Uint8Array(16).fill(number), senderId: Uint8Array.of(0), recipientId: Uint8Array.of(0xaa, number) };
  return { id, profile: 2, credentials, grants: [{ audience: 'rs1', scope: 'r_temp' }], ...more };
}

const admin = registration('admin', 0x70, { admin: 'all', grants: [] });

function command(party: Party, wanted: AdminCommand, peer?: Peer): Promise<Response> {
  const method = wanted.act === 'list' || wanted.act === 'show' ? Method.FETCH : Method.POST;
  return party.post('admin', encodeAdminCommand(wanted), 60, method, peer);
}

async function office(options: ConstructorParameters<typeof Flow>[0] = {}): Promise<{ flow: Flow; root: Party }> {
  const flow = new Flow({ clients: [...clients, admin], ...options });
  await flow.start();
  return { flow, root: flow.peer(admin.credentials, 1) };
}

async function add(root: Party, client: ClientRegistration): Promise<void> {
  assert.equal(formatCode((await command(root, { act: 'add', object: 'client', value: clientMap(client) })).code), '2.01');
}

test('a client that an administrator adds over CoAP gets a token at once; removed it is nobody, and nothing of it is left', async () => {
  const { flow, root } = await office();
  const before = flow.server!.stats();
  await add(root, registration('c9', 9));
  const client = flow.peer(registration('c9', 9).credentials, 2);
  const granted = await client.token({ audience: 'rs1' });
  assert.equal(formatCode(granted.code), '2.01');
  assert.equal(decodeTokenResponse(granted.payload).expiresIn, 3600);
  assert.equal(flow.server!.stats()['profile2.found'], 1);
  assert.equal(formatCode((await command(root, { act: 'remove', object: 'client', id: 'c9' })).code), '2.02');
  assert.equal(flow.server!.stats()['profile2.found'], 0);
  // Without a context there is nothing to protect the answer with: the client does not take it, as anybody could have sent it.
  const unanswered = await client.token({ audience: 'rs1' });
  assert.equal(formatCode(unanswered.code), '4.01');
  assert.equal(unanswered.association, undefined);
  await flow.sim.sleep(4_000_000);
  for (const name of ['profile2.found', 'profile2.lookups', 'tokens', 'pending']) assert.equal(flow.server!.stats()[name], before[name] ?? 0, name);
  await client.close();
  await root.close();
  await flow.server!.close();
});

test('what one process changes holds in another at the next request', async () => {
  const { flow, root } = await office();
  const other = await flow.startAt(otherPeer);
  await add(root, registration('c9', 9));
  const client = flow.peer(registration('c9', 9).credentials, 2);
  assert.equal(formatCode((await client.token({ audience: 'rs1' }, otherPeer)).code), '2.01');
  assert.equal(other.stats()['profile2.found'], 1);
  await command(root, { act: 'remove', object: 'client', id: 'c9' });
  const refused = await client.token({ audience: 'rs1' }, otherPeer);
  assert.equal(formatCode(refused.code), '4.01');
  assert.equal(other.stats()['profile2.found'], 0, 'its context ends with the refusal');
  await client.close();
  await root.close();
  await other.close();
  await flow.server!.close();
});

test('keys that are replaced under the same identifiers: another process drops the old context when a message does not decrypt', async () => {
  const { flow, root } = await office();
  const other = await flow.startAt(otherPeer);
  await add(root, registration('c9', 9));
  const before = flow.peer(registration('c9', 9).credentials, 2);
  assert.equal(formatCode((await before.token({ audience: 'rs1' }, otherPeer)).code), '2.01');
  await command(root, { act: 'remove', object: 'client', id: 'c9' });
  const credentials = { ...(registration('c9', 9).credentials as object), masterSecret: new Uint8Array(16).fill(0x19) };
  await add(root, registration('c9', 9, { credentials }));
  const after = flow.peer(credentials, 3);
  await assert.doesNotReject(after.token({ audience: 'rs1' }, otherPeer));
  assert.equal(formatCode((await after.token({ audience: 'rs1' }, otherPeer)).code), '2.01');
  assert.notEqual(formatCode((await before.token({ audience: 'rs1' }, otherPeer)).code), '2.01');
  assert.equal(other.stats()['profile2.found'], 1);
  for (const party of [before, after, root]) await party.close();
  await other.close();
  await flow.server!.close();
});

test('a peer without an ID Context is heard although one with the same kid and an ID Context is there', async () => {
  const { flow, root } = await office();
  const [plain, within] = [registration('plain', 9), registration('within', 10)];
  const shared = { ...(plain.credentials as { recipientId: Uint8Array }) };
  const credentials = { ...(within.credentials as object), recipientId: shared.recipientId, idContext: Uint8Array.of(1) };
  await add(root, plain);
  await add(root, { ...within, credentials });
  const second = flow.peer(credentials, 3);
  assert.equal(formatCode((await second.token({ audience: 'rs1' })).code), '2.01');
  const first = flow.peer(plain.credentials, 2);
  await first.token({ audience: 'rs1' });
  assert.equal(formatCode((await first.token({ audience: 'rs1' })).code), '2.01');
  for (const party of [first, second, root]) await party.close();
  await flow.server!.close();
});

test('4.01 to whoever is unprotected, 4.03 without a word to a client that administers nothing; discovery does not tell of it', async () => {
  const { flow, root } = await office();
  const stranger = flow.stranger(5);
  const request = { peer: asPeer, payload: encodeAdminCommand({ act: 'list', object: 'client' }) };
  const options = [...pathOptions(['admin']), uintOption(12, 60)];
  assert.equal(formatCode((await flow.sim.finish(stranger.request({ ...request, code: Method.FETCH, options }))).code), '4.01');
  const client = flow.peer(clients[0]!.credentials, 6);
  const refused = await command(client, { act: 'list', object: 'client' });
  assert.equal(formatCode(refused.code), '4.03');
  assert.equal(refused.payload.length, 0);
  const core = await flow.sim.finish(
    stranger.request({ code: Method.GET, peer: asPeer, options: pathOptions(['.well-known', 'core']), payload: new Uint8Array(0) }),
  );
  assert.doesNotMatch(fromUtf8(core.payload), /admin/);
  for (const party of [client, stranger, root]) await party.close();
  await flow.server!.close();
});

test('refusals carry the code of the error, and no secret', async () => {
  const { flow, root } = await office();
  const refused = async (wanted: AdminCommand, code: string, title: string): Promise<void> => {
    const answer = await command(root, wanted);
    assert.equal(formatCode(answer.code), code);
    assert.equal(decodeProblemDetails(answer.payload).title, title);
  };
  await refused({ act: 'show', object: 'client', id: 'nobody' }, '4.04', 'ERR_AS_UNKNOWN');
  await refused({ act: 'add', object: 'client', value: clientMap(registration('c1', 9)) }, '4.09', 'ERR_AS_EXISTS');
  await refused({ act: 'remove', object: 'client', id: 'c1' }, '4.09', 'ERR_AS_FIXED');
  await refused({ act: 'add', object: 'client' }, '4.00', 'ERR_AS_COMMAND');
  await refused({ act: 'add', object: 'client', value: new Map([[1, 'c9']]) }, '4.00', 'ERR_AS_CONFIG');
  assert.equal(formatCode((await root.post('admin', encodeAdminCommand({ act: 'list', object: 'rs' }), 60)).code), '4.00', 'a POST does not list');
  assert.equal(formatCode((await root.post('admin', Uint8Array.of(0xff), 60)).code), '4.00');
  assert.equal(formatCode((await root.post('admin', Uint8Array.of(0xa0), 0)).code), '4.15');
  await root.close();
  await flow.server!.close();
});

test('a long list comes block-wise, page by page', async () => {
  const { flow, root } = await office();
  for (let number = 0; number < 30; number++) await flow.server!.administration.addClient(registration(`many${number + 10}`, number + 0x80));
  const ids: unknown[] = [];
  let after: string | undefined;
  do {
    const answer = await command(root, { act: 'list', object: 'client', limit: 20, ...(after === undefined ? {} : { after }) });
    assert.equal(formatCode(answer.code), '2.05');
    assert.ok(answer.payload.length > 1024, 'more than a block');
    const { entries, next } = decodeAdminAnswer(answer.payload) as Listing;
    ids.push(...entries.map(({ id }) => id));
    after = next;
  } while (after !== undefined);
  assert.equal(ids.length, clients.length + 1 + 30);
  assert.equal(new Set(ids).size, ids.length);
  await root.close();
  await flow.server!.close();
});

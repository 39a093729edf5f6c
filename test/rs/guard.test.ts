import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeAif, decodeHints } from '../../src/ace/index.ts';
import { ContentFormat, findOption, formatCode, OptionNumber, opaqueOption, uintOf } from '../../src/coap/index.ts';
import { asUri, Bench, holder } from './support.ts';

const by = `${holder} 1`;

test('RFC 9200 5.3: a request without protection: 4.01 with AS, audience and the smallest scope that covers it', async () => {
  const bench = await new Bench().start();
  const response = await bench.simulator.finish(bench.request('/temp'));
  assert.equal(formatCode(response.code), '4.01');
  assert.equal(uintOf(response.options, OptionNumber.ContentFormat), ContentFormat.AceCbor);
  assert.deepEqual(decodeHints(response.payload), { as: asUri, audience: 'rs1', scope: 'r_temp' });
  assert.equal((await bench.hints('/led', { method: 'PUT' })).scope, 'w_led');
  await bench.close();
});

test('RFC 9200 5.3: nothing covers the request: hints without a scope', async () => {
  const bench = await new Bench().start();
  assert.deepEqual(await bench.hints('/temp', { method: 'DELETE' }), { as: asUri, audience: 'rs1' });
  await bench.close();
});

test('RFC 9200 5.3: the scope of a hint is an AIF where names are not used', async () => {
  const bench = await new Bench({ names: false }).start();
  const { scope } = await bench.hints('/led?x=1', { method: 'PUT' });
  assert.ok(scope instanceof Uint8Array);
  assert.deepEqual(decodeAif(scope), [['/led?x=1', 4]]);
  await bench.close();
});

test('RFC 9200 5.3.1: a cnonce where it is configured, which no cache may keep', async () => {
  const bench = await new Bench({ rs: { cnonce: true } }).start();
  const response = await bench.simulator.finish(bench.request('/temp'));
  assert.equal(decodeHints(response.payload).cnonce?.length, 12);
  assert.equal(uintOf(response.options, OptionNumber.MaxAge), 0);
  await bench.close();
});

test('RFC 9200 5.10.2: without a token a path that does not exist looks like one that is protected', async () => {
  const bench = await new Bench().start();
  for (const path of ['/nothing', '/', '/temp/below', '/authz-info/below']) assert.equal(await bench.code(path), '4.01', path);
  for (const path of ['/nothing', '/', '/temp/below']) assert.equal(await bench.code(path, { by }), '4.01', path);
  assert.deepEqual(bench.handled, []);
  await bench.close();
});

test('RFC 9200 5.10.2: with a token: permitted, 4.03 for another path, 4.05 for another method, with hints', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token({ scope: 'r_temp' }));
  assert.equal(await bench.code('/temp', { by }), '2.05');
  assert.equal(await bench.code('/temp', { by, method: 'PUT' }), '4.05');
  assert.equal(await bench.code('/led', { by }), '4.03');
  assert.equal(await bench.code('/nothing', { by }), '4.03');
  assert.equal((await bench.hints('/led', { by })).scope, 'w_led');
  assert.deepEqual(bench.refusals(), ['method', 'path', 'path', 'path']);
  await bench.close();
});

test('RFC 9200 5.10.2: an association without a token: 4.01', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token());
  assert.equal(await bench.code('/temp', { by: 'fake:as1:other 1' }), '4.01');
  assert.deepEqual(bench.refusals(), ['no-token']);
  await bench.close();
});

test('guard: a query is part of a path that a scope name covers', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token());
  assert.equal(await bench.code('/temp?unit=C', { by }), '2.05');
  await bench.close();
});

test('guard: a Uri-Path that is no text is the path of no permission', async () => {
  const bench = await new Bench().start();
  const options = [opaqueOption(OptionNumber.UriPath, Uint8Array.of(0xff, 0xfe))];
  assert.equal(await bench.code('/', { options }), '4.01');
  await bench.upload(bench.token());
  assert.equal(await bench.code('/', { options, by }), '4.03');
  await bench.close();
});

test('guard: paths that are configured as public, and discovery, need no token', async () => {
  const bench = await new Bench({ rs: { public: ['/open'] } }).start();
  assert.equal(await bench.code('/open'), '2.05');
  assert.equal(await bench.code('/open?a=b'), '2.05');
  const list = await bench.simulator.finish(bench.request('/.well-known/core'));
  assert.match(new TextDecoder().decode(list.payload), /<\/authz-info>;rt="?ace\.ai"?/);
  await bench.close();
});

test('guard: a path for any scope needs a token, whatever it covers, and its observation outlives a change of rights', async () => {
  const bench = await new Bench({ rs: { anyScope: ['/temp'] } }).start();
  assert.equal(await bench.code('/temp'), '4.01');
  await bench.upload(bench.token({ scope: 'w_led' }));
  assert.equal(await bench.code('/temp', { by }), '2.05');
  assert.equal(await bench.code('/open', { by }), '4.03');
  const stream = bench.observe('/temp', by);
  await bench.simulator.finish(stream.next());
  assert.equal(await bench.upload(bench.token({ scope: 'w_led' }), { by }), '2.01');
  bench.changed();
  assert.equal(formatCode((await bench.simulator.finish(stream.next())).value!.code), '2.05');
  await bench.close();
});

test('guard: discovery that is configured as protected', async () => {
  const bench = await new Bench({ rs: { protectDiscovery: true } }).start();
  assert.equal(await bench.code('/.well-known/core'), '4.01');
  await bench.close();
});

test('guard: a large body without a token is refused at its first block, with nothing kept', async () => {
  const bench = await new Bench().start();
  const payload = new Uint8Array(20_000);
  assert.equal(await bench.code('/led', { method: 'PUT', payload }), '4.01');
  assert.equal(bench.events.filter((event) => event.type === 'request-refused').length, 1);
  assert.equal(bench.rs.stats()['endpoint.blockwise.uploads'], 0);
  await bench.upload(bench.token({ scope: 'w_led' }));
  assert.equal(await bench.code('/led', { method: 'PUT', payload, by }), '2.04');
  assert.deepEqual(bench.handled, ['PUT /led 20000']);
  await bench.close();
});

test('RFC 9200 5.10.3: a token that has expired: 4.01, and it is released', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token({ exp: bench.now + 10 }));
  assert.equal(await bench.code('/temp', { by }), '2.05');
  await bench.simulator.sleep(9900);
  assert.equal(await bench.code('/temp', { by }), '2.05');
  await bench.simulator.sleep(100);
  assert.equal(await bench.code('/temp', { by }), '4.01');
  assert.deepEqual(bench.fake.released, [holder]);
  assert.deepEqual(bench.handled.length, 2);
  await bench.close();
});

test('RFC 9200 5.10.3: an observation ends with its token: 4.01, and the handler runs no more', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token({ exp: bench.now + 10 }));
  const stream = bench.observe('/temp', by);
  assert.equal(formatCode((await bench.simulator.finish(stream.next())).value!.code), '2.05');
  bench.changed();
  const second = await bench.simulator.finish(stream.next());
  assert.equal(formatCode(second.value!.code), '2.05');
  assert.ok(findOption(second.value!.options, OptionNumber.Observe));
  assert.equal(bench.rs.stats()['lasting'], 1);
  const end = await bench.simulator.finish(stream.next());
  assert.equal(formatCode(end.value!.code), '4.01');
  assert.ok(bench.now >= 1_700_000_010 && bench.now < 1_700_000_011, `${bench.now}`);
  assert.equal((await bench.simulator.finish(stream.next())).done, true);
  const ran = bench.handled.length;
  bench.changed();
  await bench.simulator.sleep(1000);
  assert.equal(bench.handled.length, ran);
  assert.equal(bench.rs.stats()['lasting'], 0);
  assert.equal(bench.rs.stats()['observers'], 0);
  await bench.close();
});

test('guard: an observation that is cancelled is not kept', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token());
  const stream = bench.observe('/temp', by);
  await bench.simulator.finish(stream.next());
  await bench.simulator.finish(stream.return!());
  await bench.simulator.sleep(1000);
  assert.equal(bench.rs.stats()['lasting'], 0);
  await bench.close();
});

test('RFC 9203 4.2: an update that takes a right away ends what was observed by it', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token({ scope: 'all' }));
  const stream = bench.observe('/temp', by);
  await bench.simulator.finish(stream.next());
  assert.equal(await bench.upload(bench.token({ scope: 'w_led' }), { by }), '2.01');
  assert.equal(formatCode((await bench.simulator.finish(stream.next())).value!.code), '4.03');
  assert.equal(await bench.code('/temp', { by }), '4.03');
  assert.equal(await bench.code('/led', { by, method: 'PUT' }), '2.04');
  await bench.close();
});

test('guard: two keys with different scopes from one address never mix', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token({ scope: 'r_temp' }));
  await bench.upload(bench.token({ scope: 'w_led', cnf: { kid: Uint8Array.of(2) } }));
  const other = `${holder.slice(0, -2)}Ag 1`;
  for (let i = 0; i < 20; i++) {
    const codes = await bench.simulator.finish(
      Promise.all([bench.request('/temp', { by }), bench.request('/temp', { by: other }), bench.request('/led', { by }), bench.request('/led', { by: other })]),
    );
    assert.deepEqual(
      codes.map(({ code }) => formatCode(code)),
      ['2.05', '4.03', '4.03', '2.05'],
    );
  }
  await bench.close();
});

test('guard: an event for each request that is served or refused, with its reason', async () => {
  const bench = await new Bench({ rs: { public: ['/open'] } }).start();
  await bench.upload(bench.token());
  await bench.code('/open');
  await bench.code('/temp', { by });
  await bench.code('/led', { by });
  const events = bench.events.filter((event) => event.type === 'request-served' || event.type === 'request-refused');
  assert.deepEqual(events, [
    { type: 'request-served', reason: 'authz-info', path: '/authz-info', method: 'POST', peer: '10.0.0.9:5683' },
    { type: 'request-served', reason: 'public', path: '/open', method: 'GET', peer: '10.0.0.9:5683' },
    { type: 'request-served', reason: 'permitted', path: '/temp', method: 'GET', peer: '10.0.0.9:5683', credential: holder },
    { type: 'request-refused', reason: 'path', path: '/led', code: '4.03', method: 'GET', peer: '10.0.0.9:5683', credential: holder },
  ]);
  await bench.close();
});

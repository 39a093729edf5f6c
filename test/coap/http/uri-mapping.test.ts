import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { composeUri, parseUri, targetUri, UriMapping, uriOptions } from '../../../src/coap/index.ts';
import { holds } from '../../support/property.ts';

const light = { scheme: 'coap', host: 's.example.com', port: 5683, path: ['light'], query: [] };

describe('RFC 8075 5: URI mapping', () => {
  const examples: readonly (readonly [section: string, template: string | undefined, uri: string, hosting: string])[] = [
    ['5.3', undefined, 'coap://s.example.com/light', '/hc/coap://s.example.com/light'],
    ['5.3.2', undefined, 'coap://[2001:db8::1]/light?on', '/hc/coap://%5B2001:db8::1%5D/light?on'],
    ['5.4.1.1', '?target_uri={+tu}', 'coap://s.example.com/light', '/hc/?target_uri=coap://s.example.com/light'],
    ['5.4.1.1', '?target_uri={+tu}', 'coaps://s.example.com/light', '/hc/?target_uri=coaps://s.example.com/light'],
    ['5.4.1.1', 'forward/{+tu}', 'coaps://s.example.com/light', '/hc/forward/coaps://s.example.com/light'],
    ['5.4.2.1', '{+s}/{+hp}{+p}{+qq}', 'coap://s.example.com/light', '/hc/coap/s.example.com/light'],
    ['5.4.2.1', '{+s}/{+hp}{+p}{+qq}', 'coap://s.example.com/light?on', '/hc/coap/s.example.com/light?on'],
    ['5.4.2.1', '?s={+s}&hp={+hp}&p={+p}&q={+q}', 'coap://s.example.com/light', '/hc/?s=coap&hp=s.example.com&p=/light&q='],
    ['5.4.2.1', '?s={+s}&hp={+hp}&p={+p}&q={+q}', 'coaps://s.example.com/light?on', '/hc/?s=coaps&hp=s.example.com&p=/light&q=on'],
  ];
  for (const [section, template, uri, hosting] of examples) {
    test(`${section}: ${uri} in ${template ?? 'the default template'}`, () => {
      const mapping = new UriMapping(template === undefined ? {} : { template });
      assert.equal(mapping.hostingOf(uri), hosting);
      assert.deepEqual(mapping.targetOf(hosting), parseUri(uri));
    });
  }

  test('5.3.1: a scheme is left out only where a default was agreed', () => {
    assert.throws(() => new UriMapping().targetOf('/hc/s.example.com/light'), { status: 400 });
    assert.throws(() => new UriMapping({ template: '{+hp}{+p}{+qq}' }).targetOf('/hc/s.example.com/light'), { status: 400 });
    assert.deepEqual(new UriMapping({ defaultScheme: 'coap', template: '?coap_uri={+tu}' }).targetOf('/hc/?coap_uri=s.example.com/light'), light);
  });

  test('5.3: what is packed is the URI of a CoAP resource', () => {
    const mapping = new UriMapping();
    assert.equal(mapping.targetOf('/other/coap://s.example.com/'), undefined);
    assert.equal(mapping.targetOf('/hc/'), undefined);
    const broken = ['http://s/', 'coap:/s/', 'coap://', 'coap://s:0/', 'coap://s:65536/', 'coap://s/#f', 'coap://u@s/', 'coap://s/%', 'coap://s/%ff'];
    for (const uri of broken) assert.throws(() => mapping.targetOf(`/hc/${uri}`), { code: 'ERR_COAP_HTTP', status: 400 }, uri);
    assert.deepEqual(mapping.targetOf('/hc/coap://s.example.com/a%2Fb/..%2f')?.path, ['a/b', '../'], 'an encoded slash divides nothing');
    assert.deepEqual(mapping.targetOf('/hc/coap://s.example.com/a/../%2e%2e/light')?.path, ['light']);
  });

  test('5.4: a template that is none is refused', () => {
    for (const template of ['', 'x', '{+tu}{+tu}', '{+tu}{+s}', '{+hp}', '{+hp}{+p}{+q}{+qq}', '{+hp}{+hp}{+p}{+q}', '{tu}', '{+x}', ' {+tu}', '#{+tu}'])
      assert.throws(() => new UriMapping({ template }), { code: 'ERR_COAP_HTTP' }, template);
    for (const base of ['hc', '/hc?', '/h c', '']) assert.throws(() => new UriMapping({ base }), { code: 'ERR_COAP_HTTP' }, base);
  });

  test('RFC 7252 10.2: a CoAP URI in the request line', () => {
    assert.deepEqual(targetUri('coap://s.example.com/light'), light);
    assert.equal(targetUri('coap://%5B::1%5D:61616/').host, '::1');
    assert.throws(() => targetUri('http://s.example.com/'), { status: 400 });
  });

  const segment = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !['.', '..'].includes(text));
  const uri = fc
    .record({
      host: fc.constantFrom('s.example.com', '10.0.0.7', '[2001:db8::1]', 'a'),
      port: fc.integer({ min: 1, max: 65535 }),
      path: fc.array(segment, { minLength: 1, maxLength: 4 }),
      query: fc.array(segment, { maxLength: 3 }),
    })
    .map(({ host, port, path, query }) => {
      const peer = { key: '', address: host.replace(/^\[|\]$/g, ''), port };
      return composeUri(uriOptions({ scheme: 'coap', host: peer.address, port, path, query }, peer), peer);
    });

  for (const template of ['{+tu}', '?u={+tu}', '{+s}/{+hp}{+p}{+qq}', '{+s}/{+hp}{+p}?{+q}']) {
    test(`any CoAP URI comes out of ${template} as it went in`, async () => {
      const mapping = new UriMapping({ template });
      await holds(
        `uri-mapping ${template}`,
        { quick: 200, full: 20_000 },
        fc.property(uri, (text) => assert.deepEqual(mapping.targetOf(mapping.hostingOf(text)), parseUri(text))),
      );
    });
  }

  test('any text gives a target or a 4xx', async () => {
    const mappings = ['{+tu}', '?s={+s}&hp={+hp}&p={+p}&q={+q}'].map((template) => new UriMapping({ template }));
    await holds(
      'uri-mapping, any text',
      { quick: 300, full: 20_000 },
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `coap://${text}`),
          uri,
        ),
        (text) => {
          for (const mapping of mappings) {
            try {
              mapping.targetOf(`/hc/${text}`);
            } catch (error) {
              assert.equal((error as { status?: number }).status, 400);
            }
          }
        },
      ),
    );
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CoapError } from '../../../src/coap/errors.ts';
import { attributeOf, decodeLinkFormat, encodeLinkFormat, filterLinks, type Link, link } from '../../../src/coap/resource/link-format.ts';

const targets = (links: readonly Link[]): string[] => links.map(({ target }) => target);

describe('RFC 6690 5: examples', () => {
  const sensors = '</sensors/temp>;if="sensor",</sensors/light>;if="sensor"';
  const described =
    '</sensors>;ct=40;title="Sensor Index",</sensors/temp>;rt="temperature-c";if="sensor",</sensors/light>;rt="light-lux core.sen-light";if="sensor",' +
    '<http://www.example.com/sensors/t123>;anchor="/sensors/temp";rel="describedby",</t>;anchor="/sensors/temp";rel="alternate"';

  test('two sensors', () => {
    const links = decodeLinkFormat(sensors);
    assert.deepEqual(links, [link('/sensors/temp', { if: 'sensor' }), link('/sensors/light', { if: 'sensor' })]);
    assert.equal(encodeLinkFormat(links), sensors);
  });

  test('with line ends, as the RFC prints them', () => {
    assert.deepEqual(decodeLinkFormat(described.replaceAll(',<', ',\n<').replaceAll(';rel', '\n;rel')), decodeLinkFormat(described));
    assert.equal(encodeLinkFormat(decodeLinkFormat(described)), described);
  });

  test('a large firmware', () => {
    const [firmware] = decodeLinkFormat('</firmware/v2.1>;rt="firmware";sz=262144');
    assert.equal(attributeOf(firmware!, 'sz'), '262144');
  });

  test('4.1: filters', () => {
    const links = decodeLinkFormat(described);
    assert.deepEqual(targets(filterLinks(links, ['rt=light-lux'])), ['/sensors/light']);
    assert.deepEqual(targets(filterLinks(links, ['rt=core.sen-light'])), ['/sensors/light']);
    assert.deepEqual(targets(filterLinks(links, ['anchor=/sensors/temp'])), ['http://www.example.com/sensors/t123', '/t']);
    assert.deepEqual(targets(filterLinks(links, ['href=/sensors'])), ['/sensors']);
    assert.deepEqual(targets(filterLinks(links, ['href=/sensors*'])), ['/sensors', '/sensors/temp', '/sensors/light']);
    assert.deepEqual(targets(filterLinks(links, ['if=*'])), ['/sensors/temp', '/sensors/light']);
    assert.deepEqual(targets(filterLinks(links, ['rt=temp*'])), ['/sensors/temp']);
    assert.deepEqual(targets(filterLinks(links, ['rt=temp'])), []);
    assert.deepEqual(targets(filterLinks(links, ['foo=*'])), []);
    assert.deepEqual(targets(filterLinks(links, ['title=Sensor*'])), ['/sensors']);
    assert.deepEqual(targets(filterLinks(links, ['title=Index'])), [], 'a title is one value');
    assert.deepEqual(targets(filterLinks(links, ['ct=40'])), ['/sensors']);
  });
});

describe('RFC 6690 2: the format', () => {
  test('an empty document has no links', () => {
    assert.deepEqual(decodeLinkFormat(''), []);
    assert.equal(encodeLinkFormat([]), '');
  });

  test('commas and semicolons in quoted values and URIs end nothing', () => {
    const links = decodeLinkFormat('</a,b;c>;title="x,y;z";obs,</d>');
    assert.deepEqual(links, [link('/a,b;c', { title: 'x,y;z', obs: true }), link('/d')]);
  });

  test('quoted pairs', () => {
    assert.deepEqual(decodeLinkFormat('</a>;title="say \\"hi\\" \\\\ \\x"'), [link('/a', { title: 'say "hi" \\ x' })]);
    assert.equal(encodeLinkFormat([link('/a', { title: 'say "hi" \\' })]), '</a>;title="say \\"hi\\" \\\\"');
  });

  test('attributes from an object', () => {
    assert.equal(
      encodeLinkFormat([link('/a', { rt: ['b', 'c'], ct: [0, 60], sz: 12, obs: true, title: undefined, hidden: false })]),
      '</a>;rt="b c";ct="0 60";sz=12;obs',
    );
  });

  test('UTF-8 and extended parameters', () => {
    assert.deepEqual(decodeLinkFormat('</a>;title*=UTF-8\'de\'%E4;title="Grün"'), [link('/a', { 'title*': "UTF-8'de'%E4", title: 'Grün' })]);
  });

  for (const [name, text] of [
    ['no target', 'abc'],
    ['an open target', '</a'],
    ['no separator', '</a></b>'],
    ['a comma at the end', '</a>,'],
    ['a comma alone', ','],
    ['an open quotation', '</a>;title="x'],
    ['a quotation that ends in a backslash', '</a>;title="x\\'],
    ['an empty parameter name', '</a>;=x'],
    ['an empty parameter', '</a>;'],
    ['an empty value', '</a>;rt='],
  ] as const) {
    test(`${name} is an error`, () => {
      assert.throws(
        () => decodeLinkFormat(text),
        (error) => error instanceof CoapError && error.code === 'ERR_COAP_LINK_FORMAT',
      );
    });
  }

  test('a target or a name that cannot be written is an error', () => {
    for (const bad of [link('/a>b'), link('/a', { 'b c': 'd' }), link('/a', { '': 'd' })]) {
      assert.throws(() => encodeLinkFormat([bad]), { code: 'ERR_COAP_LINK_FORMAT' });
    }
  });

  test('what is written is read back', () => {
    const value = fc.string({ unit: 'grapheme' });
    const name = fc.stringMatching(/^[a-z][a-z0-9.-]{0,5}$/);
    const target = fc.string().map((text) => text.replaceAll('>', ''));
    const anyLink = fc.record(
      { target, attributes: fc.array(fc.tuple(name, fc.option(value, { nil: undefined })), { maxLength: 4 }) },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(fc.array(anyLink, { maxLength: 4 }), (links) => assert.deepEqual(decodeLinkFormat(encodeLinkFormat(links)), links)),
      { numRuns: 300, seed: 6690 },
    );
  });

  test('long hostile text takes time in proportion to its length', () => {
    const started = performance.now();
    const open = ['<'.repeat(200_000), '<>;'.repeat(70_000), `<>;a="${'\\"'.repeat(100_000)}`, '<>,'.repeat(70_000)];
    for (const text of open) assert.throws(() => decodeLinkFormat(text), CoapError);
    assert.equal(decodeLinkFormat('<>'.concat(';a'.repeat(100_000)))[0]!.attributes.length, 100_000);
    assert.ok(performance.now() - started < 2000);
  });

  test('any text gives links or one kind of error', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[<>;,="\\a ]{0,12}$/), (text) => {
        try {
          decodeLinkFormat(text);
        } catch (error) {
          assert.ok(error instanceof CoapError);
        }
      }),
      { numRuns: 2000, seed: 1 },
    );
  });
});

describe('RFC 6690 4.1: query filtering', () => {
  const links = decodeLinkFormat(
    '</a>;rt="one two";if="x";rel="hosts item",</a/b>;rt="twofold";title="one two";sz=3,</c>;foo;bar="",</d>;anchor="/a b";ct="0 40",</e>;title="say \\"hi\\""',
  );
  const found = (...query: string[]): string[] => targets(filterLinks(links, query));

  test('href is the target, whole or by prefix', () => {
    assert.deepEqual(found('href=/a'), ['/a']);
    assert.deepEqual(found('href=/a*'), ['/a', '/a/b']);
    assert.deepEqual(found('href=*'), ['/a', '/a/b', '/c', '/d', '/e']);
    assert.deepEqual(found('href=/A'), []);
    assert.deepEqual(found('href='), []);
  });

  test('each value of a relation-type attribute counts by itself, a title is one value', () => {
    assert.deepEqual(found('rt=two'), ['/a']);
    assert.deepEqual(found('rt=two*'), ['/a', '/a/b']);
    assert.deepEqual(found('rt=one two'), []);
    assert.deepEqual(found('rel=item'), ['/a']);
    assert.deepEqual(found('ct=40'), ['/d']);
    assert.deepEqual(found('title=one two'), ['/a/b']);
    assert.deepEqual(found('title=two'), []);
  });

  test('an attribute must be there; the empty prefix matches any value, and none', () => {
    assert.deepEqual(found('foo=*'), ['/c']);
    assert.deepEqual(found('bar=*'), ['/c']);
    assert.deepEqual(found('bar='), ['/c']);
    assert.deepEqual(found('nothing=*'), []);
    assert.deepEqual(found('nothing='), []);
  });

  test('quoted strings are compared as what they stand for, anchors with their spaces', () => {
    assert.deepEqual(found('title=say "hi"'), ['/e']);
    assert.deepEqual(found('anchor=/a b'), ['/d']);
    assert.deepEqual(found('anchor=/a'), []);
  });

  test('more than one filter: all must hold; a star inside is a star', () => {
    assert.deepEqual(found('rt=two', 'if=x'), ['/a']);
    assert.deepEqual(found('rt=two', 'if=y'), []);
    assert.deepEqual(found('rt=t*o'), []);
    assert.deepEqual(found(), ['/a', '/a/b', '/c', '/d', '/e']);
  });
});

import assert from 'node:assert/strict';
import { attributeOf, Code, ContentFormat, decodeLinkFormat, type Link, MessageType, Method, queryOptions } from '../../src/coap/index.ts';
import { fromUtf8 } from '../../src/core/bytes.ts';
import type { Case, Cases } from './etsi.ts';
import type { Pair } from './pair.ts';

const core = ['.well-known', 'core'];

/** What the client displays of a list of links. */
async function links(pair: Pair, path: readonly string[], query: readonly string[] = []): Promise<Link[]> {
  const asked = pair.ask({ path, options: queryOptions(query) });
  const request = await pair.wire.next('client', { type: MessageType.CON, code: Method.GET, path, query });
  await pair.wire.next('server', { code: Code.Content, idOf: request, tokenOf: request, format: ContentFormat.LinkFormat, payload: 'some' });
  return decodeLinkFormat(fromUtf8((await asked).payload));
}

function targets(of: readonly Link[]): string[] {
  return of.map(({ target }) => target);
}

/** A filtered list: these links only, and as they are in the whole list. */
function filtered(query: string, expected: readonly string[]): Case {
  return {
    run: async (pair) => {
      const all = await links(pair, core);
      const some = await links(pair, core, [query]);
      assert.deepEqual(targets(some), expected);
      assert.deepEqual(
        some,
        all.filter(({ target }) => expected.includes(target)),
      );
      assert.ok(all.length > some.length);
    },
  };
}

/** A list of all links that have an attribute. */
function having(attribute: string, expected: readonly string[]): Case {
  return {
    run: async (pair) => {
      const all = await links(pair, core);
      const some = await links(pair, core, [`${attribute}=*`]);
      assert.deepEqual(targets(some), expected);
      assert.deepEqual(
        targets(all).filter((_, at) => attributeOf(all[at]!, attribute) !== undefined),
        expected,
      );
    },
  };
}

/** TD_COAP_LINK_01 to 09. */
export const linkCases: Cases = {
  TD_COAP_LINK_01: {
    run: async (pair) => {
      const all = targets(await links(pair, core));
      for (const path of ['/test', '/separate', '/seg1/seg2/seg3', '/query', '/multi-format', '/validate', '/large', '/obs', '/link1', '/path']) {
        assert.ok(all.includes(path), path);
      }
    },
  },
  TD_COAP_LINK_02: filtered('rt=Type1', ['/link1', '/link3']),
  TD_COAP_LINK_03: having('rt', ['/link1', '/link2', '/link3', '/typeless']),
  TD_COAP_LINK_04: filtered('rt=Type2', ['/link1', '/link2']),
  TD_COAP_LINK_05: filtered('if=If*', ['/link1', '/link2']),
  TD_COAP_LINK_06: having('sz', ['/large']),
  TD_COAP_LINK_07: filtered('href=/link1', ['/link1']),
  TD_COAP_LINK_08: filtered('href=/link*', ['/link1', '/link2', '/link3']),
  TD_COAP_LINK_09: {
    run: async (pair) => {
      const entry = (await links(pair, core)).find(({ target }) => target === '/path');
      assert.ok(entry);
      assert.equal(attributeOf(entry, 'ct'), '40');
      assert.deepEqual(targets(await links(pair, ['path'])), ['/path/sub1', '/path/sub2']);
      const asked = pair.ask({ path: ['path', 'sub1'] });
      const request = await pair.wire.next('client', { code: Method.GET, path: ['path', 'sub1'] });
      await pair.wire.next('server', { code: Code.Content, idOf: request, tokenOf: request, payload: '/path/sub1' });
      assert.equal(fromUtf8((await asked).payload), '/path/sub1');
    },
  },
};

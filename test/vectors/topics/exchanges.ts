import { blockOption } from '../../../src/coap/blockwise/block-option.ts';
import {
  Code,
  encodeMessage,
  type Message,
  MessageType,
  Method,
  type Option,
  OptionNumber,
  pathOptions,
  requestTagOption,
  sortOptions,
  stringOption,
  uintOption,
} from '../../../src/coap/index.ts';
import { emptyBytes, utf8 } from '../../../src/core/bytes.ts';
import type { Vector } from '../format.ts';
import { type ContextShape, content, contextSteps, ExchangeSteps, get, type Plain } from '../oscore.ts';
import { Recipe } from '../recipe.ts';
import type { Topic } from '../topic.ts';

const observe = (value: number): Option => uintOption(OptionNumber.Observe, value);
const block1 = (number: number, more: boolean, szx: number): Option => blockOption(OptionNumber.Block1, { number, more, szx });
const block2 = (number: number, more: boolean, szx: number): Option => blockOption(OptionNumber.Block2, { number, more, szx });
const echo = (value: Uint8Array): Option => ({ number: OptionNumber.Echo, value });

/** Options of a request for a path, in order. */
const at = (path: string, ...options: readonly Option[]): readonly Option[] => sortOptions([...pathOptions(path.split('/')), ...options]);

interface Case {
  readonly id: string;
  readonly standard: string;
  readonly section: string;
  readonly proves: string;
  readonly shape?: ContextShape;
}

function underOscore(seed: string, { shape, ...heading }: Case, build: (exchange: ExchangeSteps, recipe: Recipe) => void): Vector {
  const recipe = new Recipe(seed, { ...heading, action: 'unprotect-exchange' });
  const exchange = new ExchangeSteps(recipe, contextSteps(recipe, shape));
  build(exchange, recipe);
  return recipe.accept(...exchange.names);
}

function observations(seed: string): Vector[] {
  const standard = 'RFC 8613';
  return [
    underOscore(
      seed,
      {
        id: 'oscore-observe',
        standard,
        section: '4.1.3.5',
        proves: 'registration, first response and two notifications: FETCH and 2.05 outside, Observe outside with its value and inside empty',
      },
      (exchange) => {
        exchange.request(get(at('temperature', observe(0))), 12);
        exchange.response(content(utf8('21.5'), [observe(0)]));
        exchange.response(content(utf8('21.7'), [observe(1)]), 6);
        exchange.response(content(utf8('22.1'), [observe(300)]), 7);
      },
    ),
    underOscore(
      seed,
      {
        id: 'oscore-observe-cancel',
        standard: 'RFC 7641',
        section: '3.6',
        proves: 'Observe 1 ends an observation, and is bound as a request of its own',
        shape: { aead: 24 },
      },
      (exchange) => {
        exchange.request(get(at('humidity', observe(0))), 40);
        exchange.response(content(utf8('40'), [observe(9)]), 90);
        exchange.request(get(at('humidity', observe(1))), 41);
        exchange.response(content(utf8('41')));
      },
    ),
    underOscore(
      seed,
      {
        id: 'oscore-observe-error',
        standard: 'RFC 7641',
        section: '4.2',
        proves: 'an error as a notification has no Observe, so its code outside is 2.04',
        shape: { idContext: utf8('site') },
      },
      (exchange) => {
        exchange.request(get(at('gone', observe(0))), 3);
        exchange.response(content(utf8('still'), [observe(2)]));
        exchange.response({ code: Code.NotFound }, 0);
      },
    ),
  ];
}

function blocks(seed: string): Vector[] {
  return [
    underOscore(
      seed,
      {
        id: 'oscore-inner-block2',
        standard: 'RFC 8613',
        section: '4.1.3.4.1',
        proves: 'a body in three blocks of 32 bytes, whose Block2 is inside: each block is a message of its own',
      },
      (exchange, recipe) => {
        const body = recipe.random(80);
        for (const number of [0, 1, 2]) {
          exchange.request(get(at('firmware', ...(number === 0 ? [] : [block2(number, false, 1)]))), 200 + number);
          const options = [
            { number: OptionNumber.ETag, value: utf8('v2') },
            block2(number, number < 2, 1),
            ...(number === 0 ? [uintOption(OptionNumber.Size2, 80)] : []),
          ];
          exchange.response(content(body.slice(32 * number, 32 * number + 32), sortOptions(options)));
        }
      },
    ),
    underOscore(
      seed,
      {
        id: 'oscore-inner-block1',
        standard: 'RFC 8613',
        section: '4.1.3.4.1',
        proves: 'a body that is sent in two blocks, whose Block1 is inside',
        shape: { aead: 1 },
      },
      (exchange, recipe) => {
        const body = recipe.random(100);
        const put = (number: number, more: boolean): Plain => ({
          code: Method.PUT,
          options: at('config', uintOption(OptionNumber.ContentFormat, 60), block1(number, more, 2)),
          payload: body.slice(64 * number, 64 * number + 64),
        });
        exchange.request(put(0, true), 0);
        exchange.response({ code: Code.Continue, options: [block1(0, true, 2)] });
        exchange.request(put(1, false), 1);
        exchange.response({ code: Code.Changed, options: [block1(1, false, 2)] });
      },
    ),
    underOscore(
      seed,
      {
        id: 'oscore-observe-block2',
        standard: 'RFC 7959',
        section: '3.4',
        proves: 'the first block of a notification; the second is asked for without Observe',
        shape: { hkdf: 7 },
      },
      (exchange, recipe) => {
        const body = recipe.random(40);
        exchange.request(get(at('log', observe(0))), 70);
        exchange.response(content(body.slice(0, 32), [observe(5), block2(0, true, 1)]), 71);
        exchange.request(get(at('log', block2(1, false, 1))), 71);
        exchange.response(content(body.slice(32), [block2(1, false, 1)]));
      },
    ),
    underOscore(
      seed,
      {
        id: 'oscore-request-tag',
        standard: 'RFC 9175',
        section: '3.3',
        proves: 'two operations to one resource at a time: Request-Tag, absent in one and empty in the other, keeps their blocks apart',
        shape: { aead: 30 },
      },
      (exchange, recipe) => {
        const bodies = [recipe.random(24), recipe.random(24)] as const;
        const put = (operation: 0 | 1, number: number): Plain => {
          const tag = requestTagOption(operation);
          return {
            code: Method.PUT,
            options: at('valve', block1(number, number === 0, 0), ...(tag === undefined ? [] : [tag])),
            payload: bodies[operation].slice(16 * number, 16 * number + 16),
          };
        };
        for (const number of [0, 1]) {
          for (const operation of [0, 1] as const) {
            exchange.request(put(operation, number), 10 + 2 * number + operation);
            exchange.response({ code: number === 0 ? Code.Continue : Code.Changed, options: [block1(number, number === 0, 0)] });
          }
        }
      },
    ),
    underOscore(
      seed,
      { id: 'oscore-request-tag-value', standard: 'RFC 9175', section: '3.2.1', proves: 'Request-Tag is inside: nobody on the way can change it' },
      (exchange, recipe) => {
        const tag = { number: OptionNumber.RequestTag, value: recipe.chance('requestTag', 4) };
        exchange.request({ code: Method.POST, options: at('log', block1(0, true, 0), tag), payload: recipe.random(16) }, 500);
        exchange.response({ code: Code.Continue, options: [block1(0, true, 0)] });
      },
    ),
  ];
}

function freshness(seed: string): Vector[] {
  return [
    underOscore(
      seed,
      {
        id: 'oscore-echo-window',
        standard: 'RFC 8613',
        section: 'B.1.2',
        proves: 'after a restart: a challenge with a Partial IV of the server, and the request again with a new Partial IV and the Echo value',
      },
      (exchange, recipe) => {
        const value = recipe.chance('echo', 8);
        exchange.request(get(at('door')), 30);
        exchange.response({ code: Code.Unauthorized, options: [echo(value)] }, 128);
        exchange.request(get(at('door', echo(value))), 31);
        exchange.response(content(utf8('shut')));
      },
    ),
    underOscore(
      seed,
      {
        id: 'oscore-echo-freshness',
        standard: 'RFC 9175',
        section: '2.3',
        proves: 'freshness of an actuator: the request without a fresh Echo value is not carried out',
        shape: { aead: 24, idContext: utf8('b7') },
      },
      (exchange, recipe) => {
        const value = recipe.chance('echo', 12);
        const open = (...options: readonly Option[]): Plain => ({ code: Method.PUT, options: at('lock', ...options), payload: utf8('open') });
        exchange.request(open(), 1000);
        exchange.response({ code: Code.Unauthorized, options: [echo(value)] });
        exchange.request(open(echo(value)), 1001);
        exchange.response({ code: Code.Changed });
      },
    ),
  ];
}

/** Without protection: what an Echo option and a Request-Tag look like on the wire. */
function inTheClear(seed: string): Vector[] {
  const make = (
    id: string,
    section: string,
    proves: string,
    build: (recipe: Recipe) => readonly (readonly [name: string, message: Partial<Message> & Pick<Message, 'code'>])[],
  ): Vector => {
    const recipe = new Recipe(seed, { id, standard: 'RFC 9175', section, proves, action: 'decode-exchange' });
    const messages = build(recipe);
    const first = recipe.random(2);
    for (const [index, [name, message]] of messages.entries())
      recipe.message(
        name,
        encodeMessage({
          type: name.startsWith('request') ? MessageType.CON : MessageType.ACK,
          id: ((first[0]! << 8) | first[1]!) + (index >> 1),
          token: Uint8Array.of(0xa0 + (index >> 1)),
          options: [],
          payload: emptyBytes,
          ...message,
        }),
      );
    return recipe.accept(...messages.map(([name]) => name));
  };
  const rejected = (id: string, section: string, proves: string, reason: string, number: number, value: string): Vector => {
    const recipe = new Recipe(seed, { id, standard: 'RFC 7252', section, proves, action: 'decode-exchange' });
    recipe.step('request1', 'coap-message', { type: 0, code: 1, id: 7, token: { hex: '01' }, options: [[number, { hex: value }]], payload: { hex: '' } });
    return recipe.reject(reason, 'option', 'request1');
  };
  const raw = (id: string, proves: string, reason: string, hex: string, section = '3'): Vector => {
    const recipe = new Recipe(seed, { id, standard: 'RFC 7252', section, proves, action: 'decode-exchange' });
    recipe.step('request1', 'concat', { parts: [{ hex }] });
    return recipe.reject(reason, 'ERR_COAP_FORMAT', 'request1');
  };
  return [
    make('echo-reachability', '2.4', 'a client echoes what it was given, byte for byte', (recipe) => {
      const value = recipe.chance('echo', 12);
      const path = stringOption(OptionNumber.UriPath, 'large');
      return [
        ['request1', { code: Method.GET, options: [path] }],
        ['response1', { code: Code.Unauthorized, options: [echo(value)] }],
        ['request2', { code: Method.GET, options: [path, echo(value)] }],
        ['response2', { code: Code.Content, options: [block2(0, true, 6)], payload: recipe.random(60) }],
      ];
    }),
    make('echo-longest', '2.2.1', 'an Echo value has 1 to 40 bytes', (recipe) => [
      ['request1', { code: Method.POST, options: [echo(recipe.chance('echo', 40))] }],
      ['response1', { code: Code.Changed, options: [] }],
    ]),
    make('request-tag-lengths', '3.2.1', 'a Request-Tag has 0 to 8 bytes, and may come more than once', (recipe) => {
      const tag = (length: number): Option => ({ number: OptionNumber.RequestTag, value: recipe.random(length) });
      return [
        ['request1', { code: Method.PUT, options: [block1(0, true, 0), tag(0), tag(8)], payload: recipe.random(16) }],
        ['response1', { code: Code.Continue, options: [block1(0, true, 0)] }],
      ];
    }),
    rejected('option-critical-unknown', '5.4.1', 'an unknown critical option is not passed over', 'option 65001 is critical and unknown', 65_001, '01'),
    rejected(
      'option-length',
      '5.4.3',
      'a critical option of a wrong length is as one that is unknown',
      'If-None-Match has a value',
      OptionNumber.IfNoneMatch,
      '01',
    ),
    rejected(
      'option-too-long',
      '5.4.3',
      'a critical option of a wrong length is as one that is unknown',
      'If-Match has 9 bytes',
      OptionNumber.IfMatch,
      '09'.repeat(9),
    ),
    raw('message-version', 'what is not version 1 is no message', 'the version is 2', '80010001'),
    raw('message-token-length', 'a token has at most 8 bytes', 'the token length is 9', '49010001010203040506070809'),
    raw('message-marker', 'a payload marker has a payload behind it', 'nothing follows the marker', '40010001ff'),
    raw('message-option-15', '15 is reserved as an option length', 'the option length is 15', '40010001bf', '3.1'),
    raw('message-option-cut', 'an option is no longer than the message', 'the option has 5 bytes, and 2 follow', '40010001b56162', '3.1'),
  ];
}

export const oscoreExchanges: Topic = {
  name: 'oscore-exchanges',
  title: 'Observe, block-wise transfer, Echo and Request-Tag inside OSCORE',
  vectors: (seed) => [...observations(seed), ...blocks(seed), ...freshness(seed)],
};

export const coapEcho: Topic = {
  name: 'coap-echo',
  title: 'Echo and Request-Tag without protection, and messages to refuse',
  vectors: inTheClear,
};

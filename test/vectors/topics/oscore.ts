import { masterSalt } from '../../../profiles/oscore/params.ts';
import { Code, MessageType, Method, OptionNumber, pathOptions, queryOptions, stringOption, uintOption } from '../../../src/coap/index.ts';
import { fromHex, toHex, utf8 } from '../../../src/core/bytes.ts';
import { algorithmNames } from '../../../src/core/index.ts';
import type { ContextParameters } from '../../../src/oscore/index.ts';
import type { Part, Vector } from '../format.ts';
import { content, contextSteps, derivationSteps, ExchangeSteps, get, someServerId } from '../oscore.ts';
import { Recipe } from '../recipe.ts';
import type { Topic } from '../topic.ts';

const aeads = [10, 11, 12, 13, 30, 31, 32, 33, 1, 2, 3, 24];
const slug = (algorithm: number): string => algorithmNames.get(algorithm)!.toLowerCase().replace('/', '-');

interface Material {
  readonly id: string;
  readonly proves: string;
  readonly salt?: Uint8Array;
  readonly contextId?: Uint8Array;
  readonly aead?: number;
  readonly hkdf?: number;
  readonly clientId?: string;
  readonly serverId?: string;
  readonly secret?: number;
}

/** RFC 9203, Section 4.3: from input material and what client and RS exchange. */
function fromInputMaterial(seed: string): Vector[] {
  const cases: Material[] = [
    { id: 'salt', proves: 'the Master Salt is salt, nonce1 and nonce2, each as an encoded byte string', salt: fromHex('f9af838368e353e78888e1426bd94e6f') },
    { id: 'no-salt', proves: 'without a salt the Master Salt begins with the encoding of the empty byte string (this project reads RFC 9203 so)' },
    { id: 'empty-salt', proves: 'an empty salt gives the same Master Salt as none', salt: new Uint8Array(0) },
    { id: 'context-id', proves: 'contextId is the ID Context of both', salt: utf8('salted'), contextId: fromHex('37cbf3210017a2d3') },
    { id: 'sha512', proves: 'hkdf 7 is HKDF SHA-512', salt: utf8('pepper'), hkdf: 7 },
    { id: 'longest-ids', proves: 'identifiers of 7 bytes fit a nonce of 13', clientId: '01020304050607', serverId: 'f1f2f3f4f5f6f7' },
    { id: 'empty-id', proves: 'an identifier may be empty', clientId: '', serverId: '00' },
    { id: 'long-secret', proves: 'a Master Secret is of any length', secret: 32, salt: utf8('x') },
    ...aeads.map((aead) => ({ id: slug(aead), proves: `keys and Common IV have the lengths of ${algorithmNames.get(aead)}`, aead, salt: utf8(`s${aead}`) })),
  ];
  return cases.map(({ id, proves, salt, contextId, aead = 10, hkdf = 5, clientId, serverId, secret = 16 }) => {
    const recipe = new Recipe(seed, { id: `oscore-derive-${id}`, standard: 'RFC 9203', section: '4.3', proves, action: 'derive-context' });
    const masterSecret = recipe.chance('masterSecret', secret);
    const [nonce1, nonce2] = [recipe.chance('nonce1', 8), recipe.chance('nonce2', 8)];
    if (salt !== undefined) recipe.input('salt', salt);
    const head = (bytes: Uint8Array): Part => ({ hex: (0x40 + bytes.length).toString(16) });
    const parts: Part[] = [head(salt ?? new Uint8Array(0)), ...(salt === undefined ? [] : ['salt']), head(nonce1), 'nonce1', head(nonce2), 'nonce2'];
    const parameters: ContextParameters = {
      masterSecret,
      masterSalt: recipe.step('masterSalt', 'concat', { parts }, masterSalt(salt, nonce1, nonce2)),
      // What the RS sent as ace_server_recipientid is the Sender ID of the client.
      senderId: recipe.input('clientId', clientId === undefined ? recipe.random(1) : fromHex(clientId)),
      recipientId: recipe.input('serverId', serverId === undefined ? someServerId(recipe, aead) : fromHex(serverId)),
      ...(contextId === undefined ? {} : { idContext: recipe.input('idContext', contextId) }),
      aead: recipe.number('aead', aead),
      hkdf: recipe.number('hkdf', hkdf),
    };
    derivationSteps(recipe, parameters, true);
    return recipe.accept('clientKey', 'serverKey', 'commonIv');
  });
}

/** Parameters that make no context. */
function wrongParameters(seed: string): Vector[] {
  const cases: readonly (readonly [id: string, section: string, proves: string, reason: string, change: Omit<Partial<Material>, 'id' | 'proves'>])[] = [
    [
      'equal-ids',
      '3.3',
      'equal identifiers are equal keys and nonces in both directions',
      'clientId and serverId are the same',
      { clientId: '2a', serverId: '2a' },
    ],
    ['long-id', '3.3', 'an identifier has at most 6 bytes less than the nonce', 'clientId has 8 bytes', { clientId: '0102030405060708' }],
    ['long-id-gcm', '3.3', 'the bound depends on the AEAD', 'clientId has 7 bytes, and the nonce 12', { clientId: '01020304050607', aead: 1 }],
    ['hmac-256-64', '3.2', 'hkdf names an HMAC with a whole hash', 'hkdf is HMAC 256/64', { hkdf: 4 }],
    ['mac-as-aead', '3.2', 'the AEAD is one', 'aead is HMAC 256/256', { aead: 5 }],
    ['no-secret', '3.2', 'there is a Master Secret', 'the Master Secret is empty', { secret: 0 }],
  ];
  return cases.map(([id, section, proves, reason, change]) => {
    const recipe = new Recipe(seed, { id: `oscore-derive-reject-${id}`, standard: 'RFC 8613', section, proves, action: 'derive-context' });
    const { clientId = '01', serverId = '02', aead = 10, hkdf = 5, secret = 16 } = change;
    recipe.chance('masterSecret', secret);
    recipe.chance('masterSalt', 8);
    recipe.input('clientId', fromHex(clientId));
    recipe.input('serverId', fromHex(serverId));
    recipe.number('aead', aead);
    recipe.number('hkdf', hkdf);
    return recipe.reject(reason, 'ERR_OSCORE_PARAMETERS');
  });
}

/** One exchange for each AEAD: a response with the nonce of the request, and one with its own. */
function algorithms(seed: string): Vector[] {
  return aeads.map((aead, number) => {
    const name = algorithmNames.get(aead)!;
    const recipe = new Recipe(seed, {
      id: `oscore-exchange-${slug(aead)}`,
      standard: 'RFC 8613',
      section: '8',
      proves: `a request and two responses under ${name}: one with the nonce of the request, one with a Partial IV`,
      action: 'unprotect-exchange',
    });
    const exchange = new ExchangeSteps(recipe, contextSteps(recipe, { aead, hkdf: number % 2 === 0 ? 5 : 7 }));
    exchange.request(
      { ...get([...pathOptions(['sensors', `t${number}`]), ...queryOptions(['u=C'])]) },
      [0, 20, 255, 256, 65_536, 2 ** 32, 2 ** 40 - 1][number % 7]!,
    );
    exchange.response(content(utf8(`2${number}.5`), [uintOption(OptionNumber.ContentFormat, 0)]));
    exchange.response(content(utf8(`2${number}.6`), [uintOption(OptionNumber.ContentFormat, 0)]), number * 300);
    return recipe.accept(...exchange.names);
  });
}

/** What else a message may carry. */
function shapes(seed: string): Vector[] {
  const make = (
    id: string,
    section: string,
    proves: string,
    build: (exchange: (shape?: Parameters<typeof contextSteps>[1]) => ExchangeSteps) => void,
  ): Vector => {
    const recipe = new Recipe(seed, { id: `oscore-exchange-${id}`, standard: 'RFC 8613', section, proves, action: 'unprotect-exchange' });
    let made: ExchangeSteps | undefined;
    build((shape) => (made = new ExchangeSteps(recipe, contextSteps(recipe, shape))));
    return recipe.accept(...made!.names);
  };
  return [
    make('kid-context', '6.1', 'the kid context of a request is the ID Context', (begin) => {
      const exchange = begin({ idContext: utf8('tenant-7'), clientId: fromHex('0001') });
      exchange.request(get(pathOptions(['a'])), 1);
      exchange.response({ code: Code.NotFound });
    }),
    make('empty-kid', '6.1', 'a kid may be empty, and is there all the same', (begin) => {
      const exchange = begin({ clientId: new Uint8Array(0), serverId: Uint8Array.of(1) });
      exchange.request({ code: Method.DELETE, options: pathOptions(['old']) }, 0);
      exchange.response({ code: Code.Deleted });
    }),
    make('outer-uri', '4.1.3.2', 'Uri-Host and Uri-Port stay outside, for a proxy', (begin) => {
      const exchange = begin();
      exchange.request(get([stringOption(OptionNumber.UriHost, 'lamp.example'), uintOption(OptionNumber.UriPort, 61_616), ...pathOptions(['on'])]), 77);
      exchange.response(content(utf8('yes')));
    }),
    make('put', '4.1', 'payload, Content-Format and If-Match of a PUT are encrypted, and its code is POST outside', (begin) => {
      const exchange = begin({ salt: 0 });
      const options = [{ number: OptionNumber.IfMatch, value: fromHex('c0ffee') }, ...pathOptions(['led']), uintOption(OptionNumber.ContentFormat, 50)];
      exchange.request({ code: Method.PUT, options, payload: utf8('{"on":true}') }, 4711);
      exchange.response({ code: Code.Changed, options: [{ number: OptionNumber.ETag, value: fromHex('0badf00d') }] });
    }),
    make('iPATCH', '4.2', 'a code that an intermediary may not know is hidden like any other', (begin) => {
      const exchange = begin();
      exchange.request({ code: Method.iPATCH, options: pathOptions(['cfg']), payload: fromHex('a10102') }, 9);
      exchange.response({ code: Code.Conflict, payload: utf8('locked') });
    }),
  ].map((vector) => ({ ...vector, id: vector.id.toLowerCase() }));
}

/** A right request or response, changed on the way. */
function altered(seed: string): Vector[] {
  const request = (id: string, section: string, proves: string, reason: string, error: string, change: (recipe: Recipe, request: string) => void): Vector => {
    const recipe = new Recipe(seed, { id: `oscore-reject-${id}`, standard: 'RFC 8613', section, proves, action: 'unprotect-exchange' });
    const exchange = new ExchangeSteps(recipe, contextSteps(recipe, { clientId: fromHex('5a') }));
    const name = exchange.request(get(pathOptions(['door'])), 5);
    change(recipe, name);
    return recipe.reject(reason, error, ...(error === 'replay' ? [name, 'request2'] : ['request2']));
  };
  /** The request with another OSCORE option. */
  const option = (id: string, proves: string, reason: string, hex: string, error = 'ERR_OSCORE_DECODE', section = '6.1'): Vector =>
    request(id, section, proves, reason, error, (recipe) => {
      const of = { type: MessageType.CON, code: Method.POST, id: 0x4a01, token: { hex: '01' }, options: [[OptionNumber.Oscore, { hex }]] as const };
      recipe.step('request2', 'coap-message', { ...of, payload: 'request1Ciphertext' });
    });
  /** A request whose plaintext is not what it should be. */
  const plaintext = (id: string, proves: string, reason: string, hex: string): Vector =>
    request(id, '5.3', proves, reason, 'ERR_OSCORE_PLAINTEXT', (recipe) => {
      recipe.input('request2Plaintext', fromHex(hex));
      const of = { cipher: 'aes-ccm', tag: 8, key: 'clientKey', nonce: 'request1Nonce', aad: 'request1Aad' } as const;
      recipe.step('request2Ciphertext', 'aead-seal', { ...of, plaintext: 'request2Plaintext' });
      recipe.step('request2', 'coap-message', {
        type: MessageType.CON,
        code: Method.POST,
        id: 0x4a01,
        token: { hex: '01' },
        options: [[OptionNumber.Oscore, 'request1Option']],
        payload: 'request2Ciphertext',
      });
    });
  const last = (recipe: Recipe, name: string): void => {
    const bytes = recipe.bytes(name);
    recipe.step('request2', 'edit', { data: name, at: bytes.length - 1, remove: 1, insert: { hex: toHex(Uint8Array.of(bytes.at(-1)! ^ 0x80)) } });
  };
  return [
    request('tag-altered', '8.2', 'a request is taken only when it verifies', 'a bit of the tag is another', 'ERR_OSCORE_DECRYPT', last),
    request('payload-missing', '8.2', 'a protected request has a payload', 'the ciphertext is gone', 'ERR_OSCORE_DECODE', (recipe) => {
      recipe.step('request2', 'coap-message', {
        type: MessageType.CON,
        code: Method.POST,
        id: 0x4a01,
        token: { hex: '01' },
        options: [[OptionNumber.Oscore, 'request1Option']],
        payload: { hex: '' },
      });
    }),
    option(
      'partial-iv-altered',
      'the Partial IV is authenticated',
      'the Partial IV is 6, and the message was protected with 5',
      '09065a',
      'ERR_OSCORE_DECRYPT',
      '5.4',
    ),
    option('reserved-bit', 'reserved flags are zero', 'the first flag is set', '89055a'),
    option('partial-iv-6', 'a Partial IV has at most 5 bytes', 'n is 6', '0e0102030405065a'),
    option('partial-iv-7', 'a Partial IV has at most 5 bytes', 'n is 7', '0f010203040506075a'),
    option('partial-iv-padded', 'a Partial IV has no leading zeros', 'the Partial IV is 0005', '0a00055a', 'ERR_OSCORE_DECODE', '5'),
    option('partial-iv-cut', 'the option holds what its flags say', 'n is 3, and 2 bytes follow', '0b0506'),
    option('kid-context-cut', 'the option holds what its flags say', 'the kid context has 5 bytes, and 2 follow', '19050501'),
    option('no-kid', 'a request names its sender', 'there is no kid', '0105', 'ERR_OSCORE_DECODE', '8.2'),
    option('no-partial-iv', 'a request has a Partial IV', 'there is none', '085a', 'ERR_OSCORE_DECODE', '8.2'),
    option('zero-flags', 'an option without fields is empty', 'the value is one zero byte', '00', 'ERR_OSCORE_DECODE', '6.3'),
    option('empty-option', 'a request names its sender', 'the option is empty, as in a response', '', 'ERR_OSCORE_DECODE', '8.2'),
    option('bytes-behind', 'every byte of the option belongs to a field', 'there is no kid, and a byte behind the Partial IV', '01055a'),
    plaintext('response-code', 'a request holds the code of a request', 'the code in the plaintext is 2.05', '45ff31'),
    plaintext('empty-code', 'a request holds the code of a request', 'the code in the plaintext is 0.00', '00'),
    plaintext('marker-alone', 'the plaintext is a CoAP message', 'nothing follows the payload marker', '01ff'),
    plaintext('option-cut', 'the plaintext is a CoAP message', 'an option is longer than what is left', '01b4646f'),
    request('replay', '7.4', 'a request is taken once', 'the same datagram came before', 'replay', (recipe, name) => {
      recipe.step('request2', 'concat', { parts: [name] });
    }),
  ];
}

/** Responses that do not belong to the request. */
function strangeResponses(seed: string): Vector[] {
  const begin = (id: string, section: string, proves: string): { readonly recipe: Recipe; readonly exchange: ExchangeSteps } => {
    const recipe = new Recipe(seed, { id: `oscore-reject-${id}`, standard: 'RFC 8613', section, proves, action: 'unprotect-exchange' });
    return { recipe, exchange: new ExchangeSteps(recipe, contextSteps(recipe)) };
  };
  const vectors: Vector[] = [];
  {
    const { recipe, exchange } = begin('response-of-another-request', '5.4', 'a response is bound to its request by kid and Partial IV of that');
    exchange.request(get(pathOptions(['lock', '1'])), 1);
    exchange.response(content(utf8('open')));
    exchange.request(get(pathOptions(['lock', '2'])), 2);
    const of = { type: MessageType.ACK, code: Code.Changed, id: 0x4a02, token: { hex: '01' }, options: [[OptionNumber.Oscore, { hex: '' }]] as const };
    recipe.step('response2', 'coap-message', { ...of, payload: 'response1Ciphertext' });
    vectors.push(
      recipe.reject('the response to the first request is given to the second', 'ERR_OSCORE_DECRYPT', 'request1', 'response1', 'request2', 'response2'),
    );
  }
  {
    const { recipe, exchange } = begin('reflected', '5.2', 'each direction has its own key: a request that comes back is no response');
    exchange.request({ code: Method.POST, options: pathOptions(['echo']), payload: utf8('me') }, 3);
    const of = { type: MessageType.ACK, code: Code.Changed, id: 0x4a00, token: { hex: '01' }, options: [[OptionNumber.Oscore, { hex: '' }]] as const };
    recipe.step('response1', 'coap-message', { ...of, payload: 'request1Ciphertext' });
    vectors.push(recipe.reject('the ciphertext of the request comes as that of a response', 'ERR_OSCORE_DECRYPT', 'request1', 'response1'));
  }
  {
    const { recipe, exchange } = begin('response-unprotected', '8.4', 'without the OSCORE option a response is none to a protected request');
    exchange.request(get(pathOptions(['x'])), 4);
    const of = { type: MessageType.ACK, code: Code.Content, id: 0x4a00, token: { hex: '01' }, options: [], payload: { text: 'trust me' } };
    recipe.step('response1', 'coap-message', of);
    vectors.push(recipe.reject('the response has no OSCORE option', 'ERR_OSCORE_DECODE', 'request1', 'response1'));
  }
  {
    const { recipe, exchange } = begin('notification-partial-iv-altered', '5.2', 'the Partial IV of a response makes its nonce');
    exchange.request(get([uintOption(OptionNumber.Observe, 0), ...pathOptions(['t'])]), 8);
    exchange.response(content(utf8('20'), [uintOption(OptionNumber.Observe, 1)]), 30);
    const of = { type: MessageType.NON, code: Code.Content, id: 0x4b00, token: { hex: '02' } };
    const options = [
      [OptionNumber.Observe, { hex: '02' }],
      [OptionNumber.Oscore, { hex: '011f' }],
    ] as const;
    recipe.step('response2', 'coap-message', { ...of, options, payload: 'response1Ciphertext' });
    vectors.push(recipe.reject('the notification with Partial IV 30 comes with 31', 'ERR_OSCORE_DECRYPT', 'request1', 'response1', 'response2'));
  }
  return vectors;
}

export const oscoreDerivation: Topic = {
  name: 'oscore-derivation',
  title: 'OSCORE Security Contexts from input material, with and without salt, for each AEAD',
  vectors: (seed) => [...fromInputMaterial(seed), ...wrongParameters(seed)],
};

export const oscoreMessages: Topic = {
  name: 'oscore-messages',
  title: 'Requests and responses under each AEAD of OSCORE, and messages to refuse',
  vectors: (seed) => [...algorithms(seed), ...shapes(seed), ...altered(seed), ...strangeResponses(seed)],
};

import { encodePskIdentity } from '../../../profiles/dtls/params.ts';
import { encodeInputMaterial, masterSalt } from '../../../profiles/oscore/params.ts';
import {
  encodeHints,
  encodeIntrospectionRequest,
  encodeIntrospectionResponse,
  type Hints,
  type IntrospectionResponse,
  tokenParameters,
} from '../../../src/ace/index.ts';
import { Code, ContentFormat } from '../../../src/coap/index.ts';
import { encode } from '../../../src/core/cbor.ts';
import { Algorithm, writeKnownMap } from '../../../src/core/index.ts';
import { answerStep, postStep, rawPublicKey } from '../ace.ts';
import type { Notation, Vector } from '../format.ts';
import { map, ref } from '../notation.ts';
import { derivationSteps } from '../oscore.ts';
import { Recipe } from '../recipe.ts';
import { macSteps, signingTokenKey, symmetricTokenKey, tokenSteps } from '../token.ts';
import type { Topic } from '../topic.ts';

function hintVectors(seed: string): Vector[] {
  const place = { standard: 'RFC 9200', section: '5.3', action: 'decode-hints' } as const;
  const make = (id: string, proves: string, hints: (recipe: Recipe) => Hints): Vector => {
    const recipe = new Recipe(seed, { ...place, id: `hints-${id}`, proves });
    recipe.cbor('payload', encodeHints(hints(recipe)));
    answerStep(recipe, 'response', Code.Unauthorized, 'payload');
    return recipe.accept('response');
  };
  const wrong = (id: string, proves: string, reason: string, value: Notation): Vector => {
    const recipe = new Recipe(seed, { ...place, id: `hints-reject-${id}`, proves });
    recipe.step('payload', 'cbor', { value });
    answerStep(recipe, 'response', Code.Unauthorized, 'payload');
    return recipe.reject(reason, 'ERR_ACE_FORMAT', 'response');
  };
  return [
    make('as', 'the least: where the AS is', () => ({ as: 'coaps://as.example.com/token' })),
    make('all', 'every hint at once, with a nonce for an RS without a clock', (recipe) => ({
      as: 'coap://[2001:db8::17]/token',
      kid: recipe.chance('kid', 4),
      audience: 'valve424',
      scope: 'rTempC',
      cnonce: recipe.chance('cnonce', 8),
    })),
    make('scope-bytes', 'a scope may be a byte string', (recipe) => ({ as: 'coaps://as/t', audience: 'rs', scope: recipe.chance('scope', 5) })),
    wrong('as-bytes', 'AS is a text', 'AS is a byte string', map([1, { hex: '636f6170' }])),
    wrong('text-keys', 'hints have the integers of the registry as keys', 'the keys are texts', map(['AS', 'coap://as'])),
    wrong('array', 'hints are a map', 'they are an array', ['coap://as']),
    wrong('cnonce-text', 'cnonce is a byte string', 'cnonce is a text', map([1, 'coap://as'], [39, 'nonce'])),
  ];
}

function introspections(seed: string): Vector[] {
  const asked = (id: string, proves: string, hint?: number | string): Vector => {
    const recipe = new Recipe(seed, {
      id: `introspection-request-${id}`,
      standard: 'RFC 9200',
      section: '5.9.1',
      proves,
      action: 'decode-introspection-request',
    });
    const token = tokenSteps(recipe, { aud: `rs-${id}`, cnf: { kid: recipe.random(2) } }, symmetricTokenKey(recipe, Algorithm.HMAC_256_64));
    recipe.cbor('payload', encodeIntrospectionRequest({ token, ...(hint === undefined ? {} : { tokenTypeHint: hint }) }));
    postStep(recipe, 'request', 'introspect', 'payload');
    return recipe.accept('request');
  };
  const told = (id: string, proves: string, response: (recipe: Recipe) => IntrospectionResponse, section = '5.9.2'): Vector => {
    const recipe = new Recipe(seed, { id: `introspection-response-${id}`, standard: 'RFC 9200', section, proves, action: 'decode-introspection-response' });
    recipe.cbor('payload', encodeIntrospectionResponse(response(recipe)));
    answerStep(recipe, 'response', Code.Created, 'payload');
    return recipe.accept('response');
  };
  const wrong = (id: string, proves: string, reason: string, value: Notation, kind: 'request' | 'response'): Vector => {
    const section = kind === 'request' ? '5.9.1' : '5.9.2';
    const recipe = new Recipe(seed, {
      id: `introspection-${kind}-reject-${id}`,
      standard: 'RFC 9200',
      section,
      proves,
      action: `decode-introspection-${kind}`,
    });
    recipe.step('payload', 'cbor', { value });
    if (kind === 'request') postStep(recipe, kind, 'introspect', 'payload');
    else answerStep(recipe, kind, Code.Created, 'payload');
    return recipe.reject(reason, 'ERR_ACE_FORMAT', kind);
  };
  return [
    asked('bare', 'the token alone is asked about'),
    asked('hint', 'token_type_hint as the number of Figure 9', 2),
    asked('hint-text', 'token_type_hint as the text of Table 6', 'PoP'),
    told('inactive', 'of a token that is not active nothing else is said', () => ({ active: false })),
    told('oscore', 'key 40 is exi here, and nonce1 at authz-info', (recipe) => ({
      active: true,
      iss: 'coap://as.example',
      aud: 'tempSensor4711',
      scope: 'r_temp',
      aceProfile: 2,
      exi: 600,
      cnf: { osc: encodeInputMaterial({ id: recipe.chance('inputMaterialId', 1), ms: recipe.chance('masterSecret', 16) }) },
    })),
    told('dtls-psk', 'the pre-shared key comes by introspection', (recipe) => ({
      active: true,
      aud: ['rs1', 'rs2'],
      scope: 'open',
      exp: 1_790_000_600,
      iat: 1_790_000_000,
      cti: recipe.random(4),
      cnf: { coseKey: { kty: 4, kid: recipe.chance('pskId', 8), k: recipe.chance('psk', 16) } },
    })),
    told('dtls-rpk', 'the raw public key of the client comes by introspection', (recipe) => ({
      active: true,
      username: 'anna',
      clientId: 'phone-3',
      cnf: { coseKey: rawPublicKey(recipe, 'client') },
    })),
    wrong('no-token', 'there is a token to ask about', 'there is none', map([33, 2]), 'request'),
    wrong('token-text', 'token is a byte string', 'token is a text', map([11, 'token']), 'request'),
    wrong('no-active', 'active is there', 'it is not', map([1, 'coap://as']), 'response'),
    wrong('active-number', 'active is true or false', 'active is 1', map([10, 1]), 'response'),
    wrong('aud-number', 'aud is a text, or an array of texts', 'aud is an array of a number', map([10, true], [3, [1]]), 'response'),
  ];
}

/** What a client uploads by RFC 9203, and what the RS answers: up to the keys of both. */
function oscoreUploads(seed: string): Vector[] {
  const place = { standard: 'RFC 9203', action: 'decode-upload' } as const;
  const upload = (
    id: string,
    proves: string,
    material: { readonly salt?: number; readonly alg?: number; readonly hkdf?: number; readonly contextId?: number },
  ): Vector => {
    const recipe = new Recipe(seed, { ...place, section: '4', id: `authz-info-oscore-${id}`, proves });
    const salt = material.salt === undefined ? undefined : recipe.chance('salt', material.salt);
    const idContext = material.contextId === undefined ? undefined : recipe.chance('idContext', material.contextId);
    const { alg: aead = 10, hkdf = 5 } = material;
    const masterSecret = recipe.chance('masterSecret', 16);
    const osc = encodeInputMaterial({
      id: recipe.chance('inputMaterialId', 2),
      ms: masterSecret,
      ...(material.alg === undefined ? {} : { alg: aead }),
      ...(material.hkdf === undefined ? {} : { hkdf }),
      ...(salt === undefined ? {} : { salt }),
      ...(idContext === undefined ? {} : { contextId: idContext }),
    });
    const claims = { iss: 'coap://as.example/token', aud: `rs-${id}`, scope: 'r_temp', exp: 1_790_003_600, cnf: { osc } };
    const accessToken = tokenSteps(recipe, claims, symmetricTokenKey(recipe, Algorithm.AES_CCM_16_64_128));
    const nonce1 = recipe.chance('nonce1', 8);
    const serverId = recipe.chance('serverId', 1);
    recipe.cbor('uploadPayload', encode(writeKnownMap(tokenParameters, { accessToken, nonce1, aceClientRecipientId: serverId })));
    postStep(recipe, 'upload', 'authz-info', 'uploadPayload');
    const nonce2 = recipe.chance('nonce2', 8);
    const clientId = recipe.chance('clientId', 2);
    recipe.cbor('answerPayload', encode(writeKnownMap(tokenParameters, { nonce2, aceServerRecipientId: clientId })));
    answerStep(recipe, 'answer', Code.Created, 'answerPayload');
    const head = (bytes: Uint8Array) => ({ hex: (0x40 + bytes.length).toString(16) });
    const salted = salt === undefined || salt.length === 0 ? [{ hex: '40' }] : [head(salt), 'salt'];
    const parts = [...salted, head(nonce1), 'nonce1', head(nonce2), 'nonce2'];
    const mixed = recipe.step('masterSalt', 'concat', { parts }, masterSalt(salt, nonce1, nonce2));
    recipe.number('aead', aead);
    recipe.number('hkdf', hkdf);
    derivationSteps(
      recipe,
      { masterSecret, masterSalt: mixed, senderId: clientId, recipientId: serverId, aead, hkdf, ...(idContext === undefined ? {} : { idContext }) },
      false,
    );
    return recipe.accept('upload', 'answer');
  };
  const wrong = (id: string, proves: string, reason: string, entries: readonly (readonly [Notation, Notation])[], section = '4.1'): Vector => {
    const recipe = new Recipe(seed, { ...place, section, id: `authz-info-oscore-reject-${id}`, proves });
    const key = symmetricTokenKey(recipe, Algorithm.HMAC_256_64);
    recipe.step('claims', 'cbor', { value: map([3, 'rs'], [9, 'r']) });
    macSteps(recipe, key);
    recipe.step('uploadPayload', 'cbor', { value: map(...entries) });
    postStep(recipe, 'upload', 'authz-info', 'uploadPayload');
    return recipe.reject(reason, 'ERR_OSCORE_PROFILE_UPLOAD', 'upload');
  };
  const [token, nonce1, id1] = [
    [1, ref('token')],
    [40, { hex: '018a278f7faab55a' }],
    [43, { hex: '16' }],
  ] as const;
  return [
    upload('salt', 'upload, answer and the keys that come of them; ace_server_recipientid is the Sender ID of the client', { salt: 8 }),
    upload('no-salt', 'input material without a salt', {}),
    upload('empty-salt', 'input material with an empty salt', { salt: 0 }),
    upload('algorithms', 'input material that names AEAD, HKDF and ID Context', { salt: 4, alg: 24, hkdf: 7, contextId: 5 }),
    wrong('no-nonce1', 'a first upload has nonce1', 'it has none', [token, id1]),
    wrong('no-id1', 'a first upload has ace_client_recipientid', 'it has none', [token, nonce1]),
    wrong('no-token', 'an upload has a token', 'it has none', [nonce1, id1]),
    wrong('nonce1-text', 'nonce1 is a byte string', 'nonce1 is a text', [token, [40, 'nonce1'], id1]),
  ];
}

/** What a client uploads by RFC 9202: the token as it is; or the psk_identity that names it. */
function dtlsUploads(seed: string): Vector[] {
  const upload = (id: string, section: string, proves: string, build: (recipe: Recipe) => void): Vector => {
    const recipe = new Recipe(seed, { id: `authz-info-dtls-${id}`, standard: 'RFC 9202', section, proves, action: 'decode-upload' });
    build(recipe);
    postStep(recipe, 'upload', 'authz-info', 'token', ContentFormat.Cwt);
    recipe.step('answer', 'coap-message', { type: 2, code: Code.Created, id: 0, token: { hex: '' }, options: [], payload: { hex: '' } });
    return recipe.accept('upload', 'answer');
  };
  const identity = (id: string, proves: string, build: (recipe: Recipe) => void): Vector => {
    const recipe = new Recipe(seed, { id: `psk-identity-${id}`, standard: 'RFC 9202', section: '3.3.2', proves, action: 'decode-psk-identity' });
    build(recipe);
    return recipe.accept('pskIdentity');
  };
  const wrong = (id: string, proves: string, reason: string, value: Notation): Vector => {
    const recipe = new Recipe(seed, { id: `psk-identity-reject-${id}`, standard: 'RFC 9202', section: '3.3.2', proves, action: 'decode-psk-identity' });
    recipe.step('pskIdentity', 'cbor', { value });
    return recipe.reject(reason, 'identity', 'pskIdentity');
  };
  return [
    upload('psk', '3.3', 'a token with a pre-shared key is uploaded as application/cwt', (recipe) => {
      const coseKey = { kty: 4, kid: recipe.chance('pskId', 8), k: recipe.chance('psk', 16) };
      tokenSteps(recipe, { aud: 'lock', scope: 'open', cnf: { coseKey } }, symmetricTokenKey(recipe, Algorithm.A128GCM));
    }),
    upload('rpk', '3.2', 'a token with a raw public key is uploaded as application/cwt', (recipe) => {
      tokenSteps(recipe, { aud: 'lamp', scope: 'r_led', cnf: { coseKey: rawPublicKey(recipe, 'client') } }, signingTokenKey(recipe, Algorithm.EdDSA));
    }),
    identity('kid', 'a psk_identity names an uploaded token by the kid of its key', (recipe) => {
      recipe.cbor('pskIdentity', encodePskIdentity(recipe.chance('pskId', 8)));
    }),
    identity('token', 'a psk_identity may be the token itself', (recipe) => {
      const coseKey = { kty: 4, kid: recipe.chance('pskId', 8), k: recipe.chance('psk', 16) };
      const token = tokenSteps(recipe, { aud: 'siren', scope: 'w_alarm', cnf: { coseKey } }, symmetricTokenKey(recipe, Algorithm.AES_CCM_16_128_256));
      recipe.step('pskIdentity', 'concat', { parts: ['token'] }, token);
    }),
    wrong(
      'with-key',
      'an identity names a key, and has none',
      'the COSE_Key has k',
      map([8, map([1, map([1, 4], [2, { hex: '3d027833fc6267ce' }], [-1, { hex: '00' }])])]),
    ),
    wrong(
      'more-claims',
      'an identity has cnf and nothing else',
      'a scope stands beside cnf, which nobody vouches for',
      map([8, map([1, map([1, 4], [2, { hex: '01' }])])], [9, 'all']),
    ),
    wrong('no-kid', 'an identity names a key', 'the COSE_Key has no kid', map([8, map([1, map([1, 4])])])),
    wrong('no-cnf', 'an identity has cnf', 'the map is of another claim', map([3, 'rs'])),
  ];
}

export const hints: Topic = { name: 'hints', title: 'AS request creation hints', vectors: hintVectors };
export const introspection: Topic = { name: 'introspection', title: 'Introspection requests and responses', vectors: introspections };
export const authzInfo: Topic = {
  name: 'authz-info',
  title: 'Token uploads and answers of the OSCORE and DTLS profiles, up to the keys; psk_identity',
  vectors: (seed) => [...oscoreUploads(seed), ...dtlsUploads(seed)],
};

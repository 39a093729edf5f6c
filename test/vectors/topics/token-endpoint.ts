import { encodeInputMaterial } from '../../../profiles/oscore/params.ts';
import {
  AceErrorCode,
  aifMethods,
  encodeAif,
  encodeError,
  encodeTokenRequest,
  encodeTokenResponse,
  GrantType,
  type TokenRequest,
} from '../../../src/ace/index.ts';
import { Code } from '../../../src/coap/index.ts';
import { utf8 } from '../../../src/core/bytes.ts';
import { Algorithm } from '../../../src/core/index.ts';
import { answerStep, postStep, rawPublicKey } from '../ace.ts';
import type { Notation, Vector } from '../format.ts';
import { map, ref } from '../notation.ts';
import { Recipe } from '../recipe.ts';
import { signingTokenKey, symmetricTokenKey, tokenSteps } from '../token.ts';
import type { Topic } from '../topic.ts';

function requests(seed: string): Vector[] {
  const make = (id: string, section: string, proves: string, request: (recipe: Recipe) => TokenRequest, standard = 'RFC 9200'): Vector => {
    const recipe = new Recipe(seed, { id: `token-request-${id}`, standard, section, proves, action: 'decode-token-request' });
    recipe.cbor('payload', encodeTokenRequest(request(recipe)));
    postStep(recipe, 'request', 'token', 'payload');
    return recipe.accept('request');
  };
  return [
    make('client-credentials', '5.8.1', 'without grant_type the grant is client_credentials', () => ({ audience: 'tempSensor4711', scope: 'read' })),
    make('client-credentials-explicit', '5.8.4.1', 'client_credentials is 2', () => ({
      grantType: GrantType.client_credentials,
      clientId: 'myclient',
      audience: 'lamp7',
      scope: 'r_led w_led',
    })),
    make('client-secret', '5.8.5', 'client_secret is a byte string', (recipe) => ({
      clientId: 'gateway',
      clientSecret: recipe.chance('secret', 16),
      audience: 'rs1',
    })),
    make('refresh-token', '5.8.4.1', 'refresh_token is 3, and its token a byte string', (recipe) => ({
      grantType: GrantType.refresh_token,
      refreshToken: recipe.chance('refreshToken', 16),
      scope: 'r_temp',
    })),
    make('password', '5.8.4.1', 'password is 0; username and password are texts', () => ({
      grantType: GrantType.password,
      username: 'käthe',
      password: 'correct horse battery staple',
      audience: 'doors',
      clientId: 'phone-3',
    })),
    make('authorization-code', '5.8.4.1', 'authorization_code is 1, and the code a byte string', (recipe) => ({
      grantType: GrantType.authorization_code,
      code: recipe.chance('code', 12),
      redirectUri: 'coap://client.example/cb',
      clientId: 'panel',
    })),
    make('profile-null', '5.8.4.3', 'ace_profile null asks the AS to tell the profile', () => ({ audience: 'valve424', scope: 'open', aceProfile: null })),
    make('cnonce', '5.8.1', 'the nonce of the hints comes back in the request', (recipe) => ({
      audience: 'clockless',
      scope: 'r',
      cnonce: recipe.chance('cnonce', 8),
    })),
    make(
      'scope-aif',
      '3',
      'a scope in AIF is a byte string',
      (recipe) => ({
        audience: 'rs-aif',
        scope: recipe.cbor(
          'aif',
          encodeAif([
            ['/s/temp', aifMethods(['GET'])],
            ['/a/led', aifMethods(['PUT', 'GET'])],
            ['/dtls', aifMethods(['POST'])],
          ]),
        ),
      }),
      'RFC 9237',
    ),
    make(
      'oscore-update',
      '3.1',
      'req_cnf with the id of the input material asks for other rights under the same context',
      (recipe) => ({
        audience: 'tempSensor4711',
        scope: 'write',
        reqCnf: { kid: recipe.chance('inputMaterialId', 4) },
      }),
      'RFC 9203',
    ),
    make(
      'dtls-psk',
      '3.3.1',
      'a request for a pre-shared key has no req_cnf',
      () => ({ audience: 'smokeSensor1807', scope: 'r_smoke', aceProfile: null }),
      'RFC 9202',
    ),
    make(
      'dtls-psk-update',
      '3.3.1',
      'req_cnf with the kid of a pre-shared key asks for other rights under the same key',
      (recipe) => ({
        audience: 'smokeSensor1807',
        scope: 'r_smoke w_alarm',
        reqCnf: { kid: recipe.chance('pskId', 8) },
      }),
      'RFC 9202',
    ),
    make(
      'dtls-rpk',
      '3.2.1',
      'req_cnf has the raw public key of the client',
      (recipe) => ({
        audience: 'tempSensor0815',
        scope: 'r_temp',
        reqCnf: { coseKey: rawPublicKey(recipe, 'client', utf8('node-9')) },
      }),
      'RFC 9202',
    ),
  ];
}

function wrongRequests(seed: string): Vector[] {
  const of = (id: string, proves: string, reason: string, value: Notation, section = '5.8.1', standard = 'RFC 9200'): Vector => {
    const recipe = new Recipe(seed, { id: `token-request-reject-${id}`, standard, section, proves, action: 'decode-token-request' });
    recipe.step('payload', 'cbor', { value });
    postStep(recipe, 'request', 'token', 'payload');
    return recipe.reject(reason, 'ERR_ACE_FORMAT', 'request');
  };
  const raw = (id: string, proves: string, reason: string, hex: string): Vector => {
    const recipe = new Recipe(seed, { id: `token-request-reject-${id}`, standard: 'RFC 9200', section: '5.8.1', proves, action: 'decode-token-request' });
    recipe.step('payload', 'concat', { parts: [{ hex }] });
    postStep(recipe, 'request', 'token', 'payload');
    return recipe.reject(reason, 'ERR_ACE_FORMAT', 'request');
  };
  return [
    of(
      'text-keys',
      'parameters have the integers of the registry as keys',
      'the keys are texts, as in OAuth',
      map(['audience', 'rs1'], ['scope', 'r']),
      '5.8.5',
    ),
    of('array', 'a token request is a map', 'it is an array', [5, 'rs1']),
    of('scope-number', 'scope is a text or a byte string', 'scope is a number', map([9, 7])),
    of('audience-bytes', 'audience is a text', 'audience is a byte string', map([5, { hex: '727331' }]), '5.8.5'),
    of('secret-text', 'client_secret is a byte string', 'client_secret is a text', map([24, 'c'], [25, 'secret']), '5.8.5'),
    of('password-bytes', 'password is a text', 'password is a byte string', map([33, 0], [35, 'u'], [36, { hex: '70' }]), '5.8.5'),
    of('grant-negative', 'grant_type is an unsigned integer', 'grant_type is -1', map([33, -1]), '5.8.5'),
    of('grant-text', 'grant_type is an integer', 'grant_type is the name that OAuth has', map([33, 'client_credentials']), '5.8.4.1'),
    of('req-cnf-bytes', 'req_cnf is a map', 'req_cnf is a byte string', map([4, { hex: 'a0' }]), '3.1', 'RFC 9201'),
    of('req-cnf-key-type', 'a key has a type', 'the COSE_Key in req_cnf has none', map([4, map([1, map([-1, { hex: '00' }])])]), '3.1', 'RFC 9201'),
    raw('trailing', 'a request is one item', 'a byte stands behind the map', 'a1056372733100'),
    raw('duplicate', 'a parameter stands once', 'audience stands twice', 'a205637273310563727332'),
    raw('indefinite', 'the encoding is deterministic (a rule of this project)', 'the map has an indefinite length', 'bf0563727331ff'),
    raw('bad-utf8', 'a text is UTF-8', 'audience is not', 'a10562c328'),
    raw('empty', 'a request is one item', 'the payload is one byte of an item of two', '19'),
  ];
}

function responses(seed: string): Vector[] {
  const make = (
    id: string,
    standard: string,
    section: string,
    proves: string,
    build: (recipe: Recipe) => Parameters<typeof encodeTokenResponse>[0],
  ): Vector => {
    const recipe = new Recipe(seed, { id: `token-response-${id}`, standard, section, proves, action: 'decode-token-response' });
    recipe.cbor('payload', encodeTokenResponse(build(recipe)));
    answerStep(recipe, 'response', Code.Created, 'payload');
    return recipe.accept('response');
  };
  const encrypted = (recipe: Recipe) => symmetricTokenKey(recipe, Algorithm.AES_CCM_16_64_128);
  return [
    make('oscore', 'RFC 9203', '3.2', 'cnf has the input material that is in the token too', (recipe) => {
      const osc = encodeInputMaterial({ id: recipe.chance('inputMaterialId', 1), ms: recipe.chance('masterSecret', 16), salt: new Uint8Array(0) });
      const accessToken = tokenSteps(
        recipe,
        { aud: 'tempSensor4711', scope: 'r_temp', exp: 1_790_003_600, iat: 1_790_000_000, cnf: { osc } },
        encrypted(recipe),
      );
      return { accessToken, aceProfile: 2, expiresIn: 3600, cnf: { osc } };
    }),
    make('oscore-all-parameters', 'RFC 9203', '3.2.1', 'version, hkdf, alg, salt and contextId of an input material', (recipe) => {
      const osc = encodeInputMaterial({
        id: recipe.chance('inputMaterialId', 4),
        version: 1,
        ms: recipe.chance('masterSecret', 32),
        hkdf: 7,
        alg: 24,
        salt: recipe.chance('salt', 8),
        contextId: recipe.chance('contextId', 6),
      });
      const accessToken = tokenSteps(
        recipe,
        { iss: 'coap://as.example', aud: 'rs2', scope: 'a b', cnf: { osc } },
        symmetricTokenKey(recipe, Algorithm.A256GCM),
      );
      return { accessToken, aceProfile: 2, scope: 'a', cnf: { osc } };
    }),
    make('oscore-update', 'RFC 9203', '3.2', 'a token with other rights names the input material by its id, in the token alone', (recipe) => {
      const cnf = { kid: recipe.chance('inputMaterialId', 2) };
      return { accessToken: tokenSteps(recipe, { aud: 'rs3', scope: 'w_led', exp: 1_790_007_200, cnf }, encrypted(recipe)), expiresIn: 7200 };
    }),
    make('dtls-psk', 'RFC 9202', '3.3.1', 'cnf has the pre-shared key that is in the token too', (recipe) => {
      const coseKey = { kty: 4, kid: recipe.chance('pskId', 8), k: recipe.chance('psk', 16) };
      const accessToken = tokenSteps(recipe, { aud: 'smokeSensor1807', scope: 'r_smoke', exp: 1_790_000_600, cnf: { coseKey } }, encrypted(recipe));
      return { accessToken, aceProfile: 1, expiresIn: 600, cnf: { coseKey } };
    }),
    make('dtls-psk-derived', 'RFC 9202', '3.3.1', 'the token has the kid only, and the key is derived from the bytes of the token', (recipe) => {
      const kid = recipe.chance('pskId', 8);
      recipe.chance('derivationKey', 32);
      const accessToken = tokenSteps(
        recipe,
        { aud: 'rs-derives', scope: 'r', cnf: { coseKey: { kty: 4, kid } } },
        symmetricTokenKey(recipe, Algorithm.HMAC_256),
      );
      recipe.step('prk', 'hmac', { hash: 'sha256', key: { hex: '' }, data: 'derivationKey', length: 32 });
      recipe.step('info', 'cbor', { value: ['ACE-CoAP-DTLS-key-derivation', 16, ref('token')] });
      const k = recipe.step('psk', 'hkdf', { hash: 'sha256', secret: 'derivationKey', salt: { hex: '' }, info: 'info', length: 16 });
      return { accessToken, aceProfile: 1, cnf: { coseKey: { kty: 4, kid, k } } };
    }),
    make('dtls-rpk', 'RFC 9202', '3.2.1', 'rs_cnf has the key of the RS, and the token that of the client', (recipe) => {
      const coseKey = rawPublicKey(recipe, 'client', utf8('node-9'));
      const rsCnf = { coseKey: rawPublicKey(recipe, 'rs') };
      const accessToken = tokenSteps(recipe, { aud: 'tempSensor0815', scope: 'r_temp', cnf: { coseKey } }, signingTokenKey(recipe, Algorithm.ES256));
      return { accessToken, aceProfile: 1, rsCnf };
    }),
    make('refresh-token', 'RFC 9200', '5.8.2', 'a refresh token comes beside the access token', (recipe) => {
      const cnf = { kid: recipe.random(3) };
      const accessToken = tokenSteps(recipe, { aud: 'rs4', scope: 'r', exp: 1_790_000_060, cnf }, symmetricTokenKey(recipe, Algorithm.HMAC_256_64));
      return { accessToken, refreshToken: recipe.chance('refreshToken', 16), expiresIn: 60, tokenType: 2 };
    }),
  ];
}

function wrongResponses(seed: string): Vector[] {
  const of = (id: string, proves: string, reason: string, value: Notation, section = '5.8.2'): Vector => {
    const recipe = new Recipe(seed, { id: `token-response-reject-${id}`, standard: 'RFC 9200', section, proves, action: 'decode-token-response' });
    recipe.step('payload', 'cbor', { value });
    answerStep(recipe, 'response', Code.Created, 'payload');
    return recipe.reject(reason, 'ERR_ACE_FORMAT', 'response');
  };
  const token = { hex: 'd83dd08340a040' } as const;
  return [
    of('no-token', 'access_token is there', 'it is not', map([2, 60], [38, 2])),
    of('token-text', 'access_token is a byte string', 'it is a text', map([1, 'token']), '5.8.5'),
    of('profile-null', 'null stands in requests only', 'ace_profile is null', map([1, token], [38, null]), '5.8.4.3'),
    of('expires-negative', 'expires_in is an unsigned integer', 'it is -1', map([1, token], [2, -1]), '5.8.5'),
    of('cnf-bytes', 'cnf is a map', 'it is a byte string', map([1, token], [8, { hex: '00' }]), '5.8.5'),
    of('text-keys', 'parameters have the integers of the registry as keys', 'the keys are texts', map(['access_token', token]), '5.8.5'),
  ];
}

function errors(seed: string): Vector[] {
  return Object.entries(AceErrorCode).map(([name, error]) => {
    const recipe = new Recipe(seed, {
      id: `token-error-${name.replaceAll('_', '-')}`,
      standard: 'RFC 9200',
      section: '5.8.3',
      proves: `${name} is ${error}${error === AceErrorCode.invalid_client ? ', and comes with 4.01' : ', and comes with 4.00'}`,
      action: 'decode-error',
    });
    const described = error % 2 === 0;
    recipe.cbor('payload', encodeError({ error, ...(described ? { description: `not this: ${name}` } : {}) }).payload);
    answerStep(recipe, 'response', error === AceErrorCode.invalid_client ? Code.Unauthorized : Code.BadRequest, 'payload');
    return recipe.accept('response');
  });
}

export const tokenEndpoint: Topic = {
  name: 'token-endpoint',
  title: 'Token requests of each grant and profile, responses with their tokens, errors, and what to refuse',
  vectors: (seed) => [...requests(seed), ...wrongRequests(seed), ...responses(seed), ...wrongResponses(seed), ...errors(seed)],
};

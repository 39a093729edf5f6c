import assert from 'node:assert/strict';
import { oscoreProfile } from '../../../../profiles/oscore/index.ts';
import { readValClaims, type SimCOptions } from '../../../../profiles/seal/index.ts';
import {
  type AccessInformation,
  AceErrorCode,
  decodeAccessInformation,
  decodeError,
  decodeHints,
  encodeTokenRequest,
  encodeTokenResponse,
  GrantType,
  type TokenRequest,
} from '../../../../src/ace/index.ts';
import { Code, ContentFormat, Endpoint, formatCode, Method, OptionNumber, uintOf, uintOption } from '../../../../src/coap/index.ts';
import { emptyBytes } from '../../../../src/core/bytes.ts';
import { type CoseKey, Curve, KeyType } from '../../../../src/core/cose/index.ts';
import { publicKeyFrom } from '../../../../src/core/crypto/index.ts';
import { type ClaimsSet, openCwt, symmetricKey, type TokenKey } from '../../../../src/core/cwt.ts';
import { memoryStore } from '../../../../src/store/index.ts';
import { audience, inLab, type Lab, type LabOptions, type Rows, tokenKey } from './lab.ts';

type Mutable<T> = { -readonly [Name in keyof T]?: T[Name] };

function keyPair(number: number): CoseKey {
  return { kty: KeyType.EC2, ...publicKeyFrom(Curve.P256, new Uint8Array(32).fill(number)) };
}

function publicKey(number: number): CoseKey {
  const { d: _, ...known } = keyPair(number) as CoseKey & { readonly d?: Uint8Array };
  return known;
}

const usual: TokenRequest = { grantType: GrantType.client_credentials, audience, scope: 'note:read' };

/** What a SIM-S answered to a token request. */
interface Answer {
  readonly code: string;
  readonly error: number | undefined;
  readonly information: AccessInformation;
}

/** Ask for a token as usual but for some parameters, under the protection that there is between a SIM-C and the SIM-S. */
async function ask(lab: Lab, parameters: TokenRequest = {}, client = 0): Promise<Answer> {
  const request = { name: 'token', code: Method.POST, contentFormat: ContentFormat.AceCbor, payload: encodeTokenRequest({ ...usual, ...parameters }) };
  const { code, options, payload } = await lab.finish(lab.simCOf(client).ask(request));
  const error = code === Code.Created ? undefined : decodeError(uintOf(options, OptionNumber.ContentFormat), payload)?.error;
  return { code: formatCode(code), error, information: code === Code.Created ? decodeAccessInformation(payload) : {} };
}

async function assertRefused(lab: Lab, error: keyof typeof AceErrorCode, parameters: TokenRequest, client = 0): Promise<void> {
  const { code, error: got } = await ask(lab, parameters, client);
  assert.deepEqual([code, got], ['4.00', AceErrorCode[error]]);
}

function tokenIn({ information }: Answer): Uint8Array {
  assert.ok(information.accessToken !== undefined, 'expected a token, got none');
  return information.accessToken;
}

const claimsIn = (answer: Answer): ClaimsSet => openCwt(tokenIn(answer), [tokenKey]).claims;
const issued = (lab: Lab): number => lab.simSEvents.filter(({ type }) => type === 'token-issued').length;

/** The code of the answer to an upload, and why it was refused. */
async function verdict(lab: Lab, token: Uint8Array): Promise<readonly [code: string, reason: string | undefined]> {
  const before = lab.refusals().length;
  const code = await lab.upload(token);
  return [code, lab.refusals()[before]];
}

/** A SEAL server that has not the key of the SIM-S learns nothing of a request, whatever protects it. */
async function impostorLearnsNothing(): Promise<void> {
  const uri = 'coaps://10.0.0.1/token';
  const simS = { uri, issuer: uri, tokenKeys: [symmetricKey('AES-CCM-16-64-128', new Uint8Array(16).fill(0x66))] };
  await inLab({ profile: 'dtls', server: { simS } }, async (lab) => {
    await assert.rejects(lab.fetch('/note', { method: 'PUT', payload: 'for the right one only' }), { code: 'ERR_ACE_UPLOAD' });
    assert.ok(!lab.wireHas('right one'));
    assert.deepEqual(lab.handled, []);
  });
}

/** A SIM-S that serves two SEAL servers of two VAL services gives a token for each, and each server takes its own only. */
async function tokenForEachService(): Promise<void> {
  const options: LabOptions = {
    clients: [{ id: 'ue1', valUeId: 'ue1', valServiceIds: ['v2x', 'mcx'] }],
    simS: { services: { v2x: [audience], mcx: ['seal2'] } },
    registered: {
      client: { grants: [audience, 'seal2'].map((one) => ({ audience: one, scope: 'note:read' })) },
      others: [{ id: 'seal2', audiences: ['seal2'], tokenKeys: [tokenKey] }],
    },
  };
  await inLab(options, async (lab) => {
    const [own, other] = [await ask(lab), await ask(lab, { audience: 'seal2' })];
    const services = [own, other].map((answer) => readValClaims(claimsIn(answer)).valServiceIds);
    assert.deepEqual(services, [['v2x'], ['mcx']]);
    assert.deepEqual(await verdict(lab, tokenIn(other)), ['4.03', 'ERR_RS_AUDIENCE']);
    assert.deepEqual(await verdict(lab, tokenIn(own)), ['2.01', undefined]);
  });
}

/** A token ends in mid-session: the client, whose clock has stood still, uses it once more. */
async function tokenEndsInMidSession(): Promise<void> {
  const simC: Mutable<SimCOptions> = { renewal: 0 };
  await inLab({ registered: { server: { tokenLifetime: 120 } }, simC }, async (lab) => {
    const env = lab.simulator.env('a clock');
    let late = 0;
    simC.env = { ...env, epoch: () => env.epoch() - late };
    assert.equal((await lab.fetch('/note', { method: 'PUT', payload: 'in time' })).codeText, '2.04');
    late = 60;
    await lab.simulator.sleep(121_000);
    const before = lab.refusals().length;
    await lab.finish(lab.simS.close());
    await assert.rejects(lab.fetch('/note', { method: 'PUT', payload: 'too late', timeout: 60_000 }));
    assert.ok(lab.refusals().slice(before).includes('ERR_RS_EXPIRED'), 'the server says that it has ended');
    assert.deepEqual([lab.handled, lab.note], [['PUT /note'], 'in time']);
    assert.equal(lab.server.stats()['tokens'], 0);
  });
}

/** A refresh token is of no use to another client. */
async function refreshTokenOfAnother(): Promise<void> {
  const options: LabOptions = {
    clients: ['ue1', 'ue2'].map((id) => ({ id, valUeId: id, valServiceIds: ['v2x'] })),
    simS: { grantTypes: ['client_credentials', 'refresh_token'], refreshTokens: { clientCredentials: true } },
    registered: { client: { grantTypes: ['client_credentials', 'refresh_token'] } },
  };
  await inLab(options, async (lab) => {
    const { refreshToken } = (await ask(lab)).information;
    const refresh: TokenRequest = { grantType: GrantType.refresh_token, refreshToken: refreshToken! };
    await assertRefused(lab, 'invalid_grant', refresh, 1);
    assert.equal(claimsIn(await ask(lab, refresh)).scope, 'note:read');
  });
}

/** Tokens that hold no secret may be signed, or have a MAC, and no more. */
async function publicTokens(): Promise<void> {
  const uri = 'coaps://10.0.0.1/token';
  const macKey = symmetricKey('HMAC 256/64', new Uint8Array(32).fill(3));
  const signKey: TokenKey = { use: 'sign1', algorithm: -7, key: keyPair(4) };
  await inLab({ profile: 'dtls', server: { simS: { uri, issuer: uri, tokenKeys: [tokenKey, macKey, signKey] } } }, async (lab) => {
    const upload = async (key: TokenKey): Promise<string> => {
      const payload = lab.token({ cnf: { coseKey: publicKey(5) } }, key);
      return formatCode((await lab.plain('POST', '/authz-info', { payload, contentFormat: ContentFormat.Cwt })).code);
    };
    for (const key of [tokenKey, macKey, signKey]) assert.match(await upload(key), /^2/, key.use);
    for (const key of [symmetricKey('HMAC 256/64', new Uint8Array(32).fill(9)), { ...signKey, key: keyPair(6) }])
      assert.equal(await upload(key), '4.01', key.use);
  });
}

/** B.3.6.2 leaves the audience open; a token for nobody in particular is for no SEAL server, and the SIM-S gives none. */
async function audienceIsThere(): Promise<void> {
  await inLab({}, async (lab) => {
    assert.deepEqual(await verdict(lab, lab.token({ aud: undefined })), ['4.03', 'ERR_RS_AUDIENCE']);
    assert.equal(claimsIn(await ask(lab)).aud, audience);
  });
  await inLab({ server: { mode: 'lenient' } }, async (lab) => {
    for (const name of ['exp', 'scope', 'cnf']) assert.deepEqual(await verdict(lab, lab.token({ [name]: undefined })), ['4.00', 'ERR_SEAL_CLAIM'], name);
  });
}

/** A nonce counts for a while, and there is none in a token where no server asked. */
async function noncesGrowOld(): Promise<void> {
  await inLab({ server: { cnonce: true } }, async (lab) => {
    const { cnonce } = decodeHints((await lab.plain('GET', '/note')).payload);
    assert.deepEqual(claimsIn(await ask(lab, { cnonce: cnonce! })).cnonce, cnonce);
    const token = lab.token({ cnonce: cnonce!, exp: lab.epoch + 3600 });
    assert.deepEqual(await verdict(lab, token), ['2.01', undefined]);
    await lab.simulator.sleep(301_000);
    assert.deepEqual(await verdict(lab, token), ['4.01', 'ERR_RS_CNONCE']);
  });
  await inLab({}, async (lab) => {
    assert.equal(decodeHints((await lab.plain('GET', '/note')).payload).cnonce, undefined);
    assert.equal(claimsIn(await ask(lab)).cnonce, undefined);
  });
}

const asymmetric: LabOptions = { profile: 'dtls', registered: { client: { rawPublicKeys: [publicKey(1)] }, server: { rawPublicKey: publicKey(2) } } };

async function keysToBind(): Promise<void> {
  await inLab(asymmetric, async (lab) => {
    const { cnf } = claimsIn(await ask(lab, { reqCnf: { coseKey: publicKey(1) } }));
    assert.deepEqual(cnf!.coseKey!.x, publicKey(1).x);
    // RFC 9201, Section 3.1: no symmetric key of the client's making.
    await assertRefused(lab, 'invalid_request', { reqCnf: { coseKey: tokenKey.key } });
  });
  await inLab({}, (lab) => assertRefused(lab, 'unsupported_pop_key', { reqCnf: { coseKey: publicKey(1) } }));
}

/** The rule of B.3.7.2 itself, beside that of TS 24.547, which names the key in every response. */
async function serverKeyForAsymmetric(): Promise<void> {
  for (const mode of ['strict', 'lenient'] as const) {
    await inLab({ ...asymmetric, simS: { mode } }, async (lab) => {
      const { cnf, rsCnf } = (await ask(lab, { reqCnf: { coseKey: publicKey(1) } })).information;
      assert.deepEqual([cnf, rsCnf!.coseKey!.x], [undefined, publicKey(2).x], mode);
      assert.equal((await ask(lab)).information.rsCnf !== undefined, mode === 'strict');
    });
  }
}

/**
 * Somebody in the place of the SIM-S, who has the secrets that it shares with the first SIM-C, and answers each token request by what the SIM-S would not say.
 */
async function inPlaceOfSimS(lab: Lab, answer: AccessInformation, check: () => Promise<void>): Promise<void> {
  const env = lab.simulator.env('another SIM-S');
  const profile = oscoreProfile.as!({ env, store: memoryStore(), emit: () => {} });
  await profile.addPeer('ue1', lab.channelOf(0, 'SIM-S'));
  const options = [uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)];
  const endpoint = new Endpoint({
    transport: lab.simulator.transport('10.0.0.1', 5683),
    env,
    layers: [...profile.layers],
    handler: ({ association }, reply) => {
      if (association === undefined) reply.respond({ code: Code.Unauthorized, options: [], payload: emptyBytes });
      else reply.respond({ code: Code.Created, options, payload: encodeTokenResponse(answer) });
    },
  });
  try {
    await check();
  } finally {
    await endpoint.close();
    await profile.close();
  }
}

async function responsesThatLack(): Promise<void> {
  await inLab({}, async (lab) => {
    const { information } = await ask(lab);
    await lab.finish(lab.simS.close());
    const { expiresIn: _, ...endless } = information;
    const { aceProfile: __, ...unnamed } = information;
    for (const [missing, answer] of [
      [/expires_in/, endless],
      [/ace_profile/, unnamed],
    ] as const) {
      await inPlaceOfSimS(lab, answer, () => assert.rejects(lab.fetch('/note'), { code: 'ERR_SEAL_GRANT', message: missing }));
    }
    assert.deepEqual([lab.handled, issued(lab)], [[], 1]);
    await inPlaceOfSimS(lab, information, async () => assert.equal((await lab.fetch('/note')).codeText, '2.05'));
  });
}

/** Annex B at its edges: what has ended, what is of another, what is asymmetric, and what a peer leaves out. */
export const rows: Rows = {
  'R-002': impostorLearnsNothing,
  'R-041': tokenForEachService,
  'R-048': tokenEndsInMidSession,
  'R-049': refreshTokenOfAnother,
  'R-206': publicTokens,
  'R-223': audienceIsThere,
  'R-229': noncesGrowOld,
  'R-230': keysToBind,
  'R-232': responsesThatLack,
  'R-234': serverKeyForAsymmetric,
};

import assert from 'node:assert/strict';
import { contextParameters } from '../../../../profiles/oscore/params.ts';
import { AceError, AceErrorCode, decodeHints } from '../../../../src/ace/index.ts';
import { ContentFormat, decodeMessage, formatCode, Method, OptionNumber, pathOf, pathOptions, uintOf } from '../../../../src/coap/index.ts';
import { decode, encode } from '../../../../src/core/cbor.ts';
import { ContextTable, deriveContext, oscore } from '../../../../src/oscore/index.ts';
import { audience, inLab, type Lab, type LabOptions, type Rows, serverAddress, simSAddress, tokenKey } from './lab.ts';
import { refusesPlainTokenRequest } from './protection.ts';

/** The proof-of-possession key of a token that a row makes by itself. */
const popSecret = new Uint8Array(16).fill(9);
const cnf = {
  osc: new Map<number, Uint8Array>([
    [0, Uint8Array.of(1)],
    [2, popSecret],
  ]),
};

type Ask = (method: keyof typeof Method, path: string) => Promise<string>;

/** Upload a token, and ask by OSCORE with a key that may be the one that it is bound to; the code of the answer, `!` after one that nothing protects. */
async function holderOf(lab: Lab, token: Uint8Array, masterSecret: Uint8Array = popSecret): Promise<Ask> {
  const answer = await lab.finish(lab.uploadFrom(lab.stranger(), token));
  assert.equal(formatCode(answer.code), '2.01');
  const parameters = decode(answer.payload) as Map<number, Uint8Array>;
  const exchanged = { nonce1: new Uint8Array(8).fill(5), nonce2: parameters.get(42)!, senderId: parameters.get(44)!, recipientId: Uint8Array.of(0xaa) };
  const context = deriveContext(contextParameters({ id: Uint8Array.of(1), ms: masterSecret }, exchanged));
  const contexts = new ContextTable();
  contexts.add(context);
  let sequence = 0;
  const reserve = async (_key: string, count: number): Promise<number> => (sequence += count) - count;
  const endpoint = lab.stranger([oscore({ contexts, store: { reserve }, env: lab.simulator.env('holder') })]);
  const peer = lab.simulator.peer('10.0.0.2', 5683);
  return async (method, path) => {
    const { code, association } = await lab.finish(
      endpoint.request({ code: Method[method], options: pathOptions(path.split('/').slice(1)), peer, association: context }),
    );
    return association === context ? formatCode(code) : `${formatCode(code)}!`;
  };
}

const isRefusal =
  (...codes: readonly string[]): ((error: unknown) => boolean) =>
  (error) =>
    error instanceof Error && 'code' in error && codes.includes(String(error.code));

const issued = (lab: Lab): number => lab.simSEvents.filter(({ type }) => type === 'token-issued').length;

/** Nor are they taken for the one who asked before them. */
async function strangersAreRefused(): Promise<void> {
  await inLab({}, async (lab) => {
    await lab.finish(lab.simC.token({ audience, scope: 'note:read' }));
    await refusesPlainTokenRequest(lab);
  });
}

async function everyUserIsAuthenticated(): Promise<void> {
  await inLab({}, async (lab) => {
    await lab.finish(lab.simC.token({ audience, scope: 'note:read' }));
    await refusesPlainTokenRequest(lab);
    const answer = await lab.plain('GET', '/note');
    assert.deepEqual([formatCode(answer.code), uintOf(answer.options, OptionNumber.ContentFormat)], ['4.01', ContentFormat.AceCbor]);
    assert.equal(decodeHints(answer.payload).as, lab.simSUri);
    // A token alone shows nothing: who brings it has to have its key.
    assert.equal(await lab.upload(lab.token()), '2.01');
    assert.equal(formatCode((await lab.plain('GET', '/note')).code), '4.01');
    assert.deepEqual(lab.handled, []);
  });
}

async function bothSidesAreAuthenticated(): Promise<void> {
  await inLab({}, async (lab) => {
    const right = await holderOf(lab, lab.token({ cnf }));
    assert.equal(await right('GET', '/note'), '2.05');
    const wrong = await holderOf(lab, lab.token({ cnf }), new Uint8Array(16).fill(8));
    assert.equal(await wrong('GET', '/note'), '4.00!');
    assert.deepEqual(lab.handled, ['GET /note']);
  });
  // A server that does not know the key of the SIM-S cannot read the key of the token.
  const simS = { uri: 'coap://10.0.0.1/token', issuer: 'coap://10.0.0.1/token', tokenKeys: [{ ...tokenKey, key: { ...tokenKey.key, k: popSecret } }] };
  await inLab({ server: { simS } }, async (lab) => {
    await assert.rejects(lab.fetch('/note', { method: 'PUT', payload: 'for the right one only' }), isRefusal('ERR_ACE_UPLOAD'));
    assert.ok(!lab.wireHas('right one'));
    assert.deepEqual(lab.handled, []);
  });
}

/** TS 33.434, B.3.1: pre-shared secrets authenticate SIM-S and SIM-C by OSCORE, and by DTLS. */
async function preSharedSecrets(profile: 'oscore' | 'dtls'): Promise<void> {
  await inLab({ profile }, async (lab) => {
    const key = new Uint8Array(16).fill(0x66);
    const right = lab.channelOf(0, 'SIM-C') as { readonly psk?: object };
    const wrong = profile === 'oscore' ? { ...right, masterSecret: key } : { psk: { ...right.psk, key } };
    const ask = (credentials: unknown): Promise<unknown> => lab.finish(lab.otherClient(credentials).token({ audience, scope: 'note:read' }));
    await assert.rejects(ask(wrong));
    assert.equal(issued(lab), 0);
    // Over DTLS nothing of a request leaves the client before the SIM-S has shown that it has the secret.
    const records = lab.simulator.wire.filter(({ from, datagram }) => from.startsWith('10.0.0.6') && datagram[0] === 23);
    assert.equal(records.length, 0);
    await ask(right);
    assert.equal(issued(lab), 1);
  });
}

/** A SEAL server that names another SIM-S sends nobody there. */
async function otherSimS(): Promise<void> {
  await inLab({ server: { simS: { uri: 'coap://10.0.0.9/token', issuer: 'other', tokenKeys: [tokenKey] } } }, async (lab) => {
    await assert.rejects(lab.fetch('/note'), isRefusal('ERR_ACE_AS_NOT_ALLOWED'));
    assert.ok(!lab.simulator.wire.some(({ to }) => to.startsWith('10.0.0.9') || to === simSAddress));
  });
}

const refusedWith =
  (error: AceErrorCode): ((thrown: unknown) => boolean) =>
  (thrown) =>
    thrown instanceof AceError && thrown.error === error;

async function authorizationBeforeIssuance(): Promise<void> {
  const ask = (lab: Lab): Promise<unknown> => lab.finish(lab.simC.token({ audience, scope: 'note:write' }));
  const only = { id: 'ue1', valUserId: 'anna@val.example', valUeId: 'ue1', valServiceIds: ['v2x'], scope: 'note:read' };
  await inLab({ clients: [only] }, async (lab) => {
    await assert.rejects(ask(lab), refusedWith(AceErrorCode.invalid_scope));
    assert.equal(issued(lab), 0);
  });
  const policy = { decide: async () => ({ permit: false, error: AceErrorCode.unauthorized_client, reason: 'closed' }) as const };
  await inLab({ simS: { policy } }, async (lab) => {
    await assert.rejects(ask(lab), refusedWith(AceErrorCode.unauthorized_client));
    assert.equal(issued(lab), 0);
  });
}

async function tokensAfterTheFirst(): Promise<void> {
  await inLab({}, async (lab) => {
    await lab.fetch('/note');
    assert.equal((await lab.fetch('/note', { method: 'PUT', payload: 'x' })).codeText, '2.04');
    assert.equal((await lab.fetch('/note')).text(), 'x');
    assert.deepEqual([issued(lab), lab.server.stats()['tokens']], [2, 1], 'the second takes the place of the first');
  });
}

/** RFC 9200, Section 5.10.1, and what each profile sends there. */
async function tokenInMessage(): Promise<void> {
  for (const [profile, contentFormat] of [
    ['oscore', ContentFormat.AceCbor],
    ['dtls', ContentFormat.Cwt],
  ] as const) {
    await inLab({ profile }, async (lab) => {
      await lab.fetch('/note');
      const messages = lab.simulator.wire
        .filter(({ from, to }) => from === serverAddress || to === serverAddress)
        .map(({ datagram }) => decodeMessage(datagram));
      const upload = messages.find(({ code, options }) => code === Method.POST && pathOf(options).join('/') === 'authz-info')!;
      assert.equal(uintOf(upload.options, OptionNumber.ContentFormat), contentFormat);
      const answer = messages.find(({ token, code }) => code !== Method.POST && Buffer.from(token).equals(upload.token))!;
      assert.equal(formatCode(answer.code), '2.01');
    });
  }
}

/** The codes of RFC 9200, Section 5.10.1.1; where several things are wrong, the first counts. */
async function tokenChecks(): Promise<void> {
  await inLab({ server: { limits: { uploadBurst: 100 } } }, async (lab) => {
    const old = lab.epoch - 100;
    const foreign = { ...tokenKey, key: { ...tokenKey.key, k: popSecret } };
    for (const [token, code, what] of [
      [lab.token(), '2.01', 'a valid token'],
      [encode('token'), '4.00', 'no CWT'],
      [lab.token({}, foreign), '4.01', 'a key of another'],
      [lab.token({ iss: 'other', exp: old, aud: 'other', scope: 'other' }), '4.01', 'iss'],
      [lab.token({ exp: old, aud: 'other', scope: 'other' }), '4.01', 'exp'],
      [lab.token({ nbf: lab.epoch + 100, aud: 'other' }), '4.01', 'nbf'],
      [lab.token({ aud: 'other', scope: 'other' }), '4.03', 'aud'],
      [lab.token({ scope: 'other' }), '4.00', 'scope'],
      [lab.token({ cnf: undefined }), '4.00', 'cnf'],
    ] as const)
      assert.equal(await lab.upload(token), code, what);
    assert.deepEqual(lab.refusals(), [
      'ERR_RS_TOKEN_FORMAT',
      'ERR_RS_TOKEN_PROTECTION',
      'ERR_RS_ISSUER',
      'ERR_RS_EXPIRED',
      'ERR_RS_NOT_YET',
      'ERR_RS_AUDIENCE',
      'ERR_RS_SCOPE',
      'ERR_SEAL_CLAIM',
    ]);
  });
}

/** Each scope against each method and each path. */
async function rights(): Promise<void> {
  const scopes = { 'note:read': { '/note': ['GET'] }, 'note:write': { '/note': ['PUT'] }, other: { '/other': ['GET'] } } as const;
  const matrix: readonly (readonly [scope: string, get: string, put: string, remove: string, other: string])[] = [
    ['note:read', '2.05', '4.05', '4.05', '4.03'],
    ['note:write', '4.05', '2.04', '4.05', '4.03'],
    ['note:read note:write', '2.05', '2.04', '4.05', '4.03'],
    ['other', '4.03', '4.03', '4.03', '2.05'],
  ];
  const options: LabOptions = {
    scopes,
    resources: (server, lab) => {
      server.resource('/note', {
        get: () => '',
        put: () => void lab.handled.push('PUT'),
        delete: () => void lab.handled.push('DELETE'),
      });
      server.resource('/other', { get: () => '' });
    },
  };
  await inLab(options, async (lab) => {
    for (const [number, [scope, ...codes]] of matrix.entries()) {
      const osc = new Map(cnf.osc).set(0, Uint8Array.of(number + 1));
      const ask = await holderOf(lab, lab.token({ scope, cnf: { osc } }));
      const got = [await ask('GET', '/note'), await ask('PUT', '/note'), await ask('DELETE', '/note'), await ask('GET', '/other')];
      assert.deepEqual(got, codes, scope);
    }
    assert.deepEqual(lab.handled, ['PUT', 'PUT']);
  });
}

/** Who is authenticated and authorized, by whom, and for what (TS 33.434, 4.1 and B.3.1 to B.3.4). */
export const rows: Rows = {
  'R-001': everyUserIsAuthenticated,
  'R-002': bothSidesAreAuthenticated,
  'R-012': strangersAreRefused,
  'R-041': () =>
    inLab({}, async (lab) => {
      assert.equal(await lab.upload(lab.token({ aud: 'seal2' })), '4.03');
      assert.equal(await lab.upload(lab.token({ aud: ['seal2', audience] })), '2.01');
      assert.deepEqual(lab.refusals(), ['ERR_RS_AUDIENCE']);
    }),
  'R-205': async () => {
    for (const profile of ['oscore', 'dtls'] as const) {
      await inLab({ profile }, async (lab) => {
        assert.equal((await lab.fetch('/note')).text(), 'nothing');
        const steps = lab.clientEvents.flatMap((event) => (event.type === 'step' ? [event.step] : []));
        assert.deepEqual(
          steps.filter((step) => step === 'token-request' || step === 'upload' || step === 'response'),
          ['token-request', 'upload', 'response'],
        );
      });
    }
  },
  'R-208': () => preSharedSecrets('oscore'),
  'R-212': async () => {
    await strangersAreRefused();
    await preSharedSecrets('dtls');
    await otherSimS();
  },
  'R-213': authorizationBeforeIssuance,
  'R-214': tokensAfterTheFirst,
  'R-215': tokenInMessage,
  'R-216': tokenChecks,
  'R-217': rights,
};

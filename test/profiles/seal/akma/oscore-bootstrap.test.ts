import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AanfSimulator, ApplicationKeys, type EstablishOscoreOptions, establishOscore, OscoreBootstrap } from '../../../../profiles/seal/akma/index.ts';
import { type AnswerFields, CoapResponse, Code, decodeProblemDetails, type Resource } from '../../../../src/coap/index.ts';
import { type CborValue, decode, encode } from '../../../../src/core/cbor.ts';
import { systemEnv } from '../../../../src/core/env.ts';
import { ContextTable } from '../../../../src/oscore/index.ts';
import { Simulator } from '../../../support/simulator.ts';
import { anchorOfSubscriber, anna, inOscoreLab, oscoreAfId } from './lab.ts';

const anchor = anchorOfSubscriber(anna);

test('TS 33.535 D: OSCORE by AKMA is experimental, and has to be asked for', async () => {
  const keys = new ApplicationKeys({ aanf: new AanfSimulator(), afId: oscoreAfId });
  assert.throws(() => new OscoreBootstrap({ experimental: false as true, keys }), { code: 'ERR_AKMA_EXPERIMENTAL' });
  await assert.rejects(establishOscore({} as EstablishOscoreOptions), { code: 'ERR_AKMA_EXPERIMENTAL' });
});

test('TS 33.535 D.3.2: a request that is none is answered, and leaves nothing behind', async () => {
  await inOscoreLab({}, async (lab) => {
    await lab.aanf.registerAnchorKey({ ...anchor, supi: anna.supi });
    const ask = lab.ue(undefined).request();
    const good: readonly CborValue[] = [oscoreAfId.protocol, anchor.aKid, new Uint8Array(8), Uint8Array.of(1)];
    const put = (index: number, value: CborValue): CborValue => good.map((item, at) => (at === index ? value : item));
    const post = async (payload: Uint8Array, contentFormat = 60): Promise<string> =>
      (await lab.finish(ask('coap://10.0.0.2/akma', { payload, contentFormat }))).codeText;
    const bad: readonly CborValue[] = [
      [],
      good.slice(0, 3),
      [...good, new Map(), 1],
      new Map(),
      put(0, new Uint8Array(5)),
      put(0, '0100000007'),
      put(1, 'no A-KID'),
      put(1, new Uint8Array(4)),
      put(2, new Uint8Array(7)),
      put(3, new Uint8Array(7)),
      [...good, 10],
      [...good, new Map([[4, 'AES']])],
      [...good, new Map([[4, 5]])],
      [...good, new Map([[3, 99]])],
    ];
    for (const value of bad) assert.equal(await post(encode(value)), '4.00');
    assert.equal(await post(Uint8Array.of(0xff)), '4.00');
    assert.equal(await post(encode(good), 50), '4.15');
    assert.equal(await post(encode(put(1, 'a@realm.example'))), '4.01');
    assert.equal(lab.bootstrap.stats()['pending'], 0);
    // However often it is asked with the A-KID of one UE, which is no secret.
    for (let i = 0; i < 10; i++) assert.equal(await post(encode(good)), '2.01');
    assert.equal(lab.bootstrap.stats()['pending'], 4);
  });
});

test('TS 33.535 D.3.2: the UE takes no answer that is none, and no identifier of its own', async () => {
  const contexts = new ContextTable();
  const establish = (code: number, answer: (asked: readonly CborValue[]) => CborValue): Promise<unknown> => {
    const post = async (payload: Uint8Array): Promise<CoapResponse> =>
      new CoapResponse({ code, options: [], payload: encode(answer(decode(payload) as readonly CborValue[])) });
    return establishOscore({ experimental: true, anchor: () => anchor, afId: oscoreAfId, post, contexts, env: systemEnv });
  };
  const nonce = new Uint8Array(8);
  await assert.rejects(
    establish(Code.Unauthorized, () => []),
    { code: 'ERR_AKMA_REFUSED', message: /4\.01/ },
  );
  await assert.rejects(
    establish(Code.Created, (asked) => [nonce, asked[3]]),
    { code: 'ERR_AKMA_BOOTSTRAP' },
  );
  for (const answer of [[], [nonce], [nonce, 'id'], [nonce, new Uint8Array(7)], [new Uint8Array(7), nonce], [nonce, Uint8Array.of(1), 1], 7] as CborValue[])
    await assert.rejects(
      establish(Code.Created, () => answer),
      { code: 'ERR_AKMA_BOOTSTRAP' },
    );
  assert.equal(contexts.size, 0);
});

test('a context that is asked for while the application function closes is none, and leaves no timer', async () => {
  const simulator = new Simulator();
  const env = simulator.env();
  let give: () => void = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  const key = { kAf: new Uint8Array(32), expiresAt: env.epoch() + 1000, supi: anna.supi };
  const keys = new ApplicationKeys({ aanf: { retrieveApplicationKey: () => given.then(() => key) }, afId: oscoreAfId, env });
  const bootstrap = new OscoreBootstrap({ experimental: true, keys, env });
  let post: Resource['post'];
  bootstrap.mount({
    resource: (_path, resource) => {
      post = resource.post;
      return undefined as never;
    },
  });
  const payload = encode([oscoreAfId.protocol, anchor.aKid, new Uint8Array(8), Uint8Array.of(1)]);
  const answering = post!({ payload } as never);
  bootstrap.close();
  keys.close();
  give();
  await answering;
  const { pending, active } = bootstrap.stats();
  assert.deepEqual([pending, active, simulator.pending], [0, 0, 0]);
});

test('RFC 7252 5.9.3.4: a full table of contexts is no fault of the UE: 5.03 with Max-Age, and room again once a context has ended', async () => {
  const simulator = new Simulator();
  const env = simulator.env();
  const key = { kAf: new Uint8Array(32), expiresAt: env.epoch() + 1000, supi: anna.supi };
  const keys = new ApplicationKeys({ aanf: { retrieveApplicationKey: async () => key }, afId: oscoreAfId, env });
  const bootstrap = new OscoreBootstrap({ experimental: true, keys, limit: 2, env });
  let post: Resource['post'];
  bootstrap.mount({
    resource: (_path, resource) => {
      post = resource.post;
      return undefined as never;
    },
  });
  const ask = async (): Promise<AnswerFields> =>
    (await post!({ payload: encode([oscoreAfId.protocol, anchor.aKid, new Uint8Array(8), Uint8Array.of(1)]) } as never)) as AnswerFields;
  for (let i = 0; i < 2; i++) assert.equal((await ask()).code, Code.Created);
  const refused = await ask();
  assert.deepEqual([refused.code, refused.maxAge], [Code.ServiceUnavailable, 30]);
  assert.equal(decodeProblemDetails(refused.payload as Uint8Array).detail, 'too many contexts are in use');
  assert.equal(bootstrap.stats()['pending'], 2);
  await simulator.sleep(247_000);
  assert.equal((await ask()).code, Code.Created);
  bootstrap.close();
  keys.close();
});

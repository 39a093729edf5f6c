import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AkmaError, ApplicationKeys, Msgin5gRegistration } from '../../../../profiles/seal/akma/index.ts';
import { decodeRequest, decodeResponse, encodeMessage } from '../../../../profiles/seal/akma/msgin5g-message.ts';
import { akmaCredential } from '../../../../profiles/seal/akma/psk.ts';
import { Code, decodeProblemDetails, type Resource } from '../../../../src/coap/index.ts';
import { toHex, utf8 } from '../../../../src/core/bytes.ts';
import { encode } from '../../../../src/core/cbor.ts';
import { Simulator } from '../../../support/simulator.ts';
import { AkmaLab, afId, anchorOfSubscriber, anna, bert, inAkmaLab, uri } from './lab.ts';

const [json, cbor] = [50, 60];

test('TS 24.538 7.1: REG and DEREG, in JSON and in CBOR', () => {
  const request = { messageType: 'REG', ueServiceId: 'meter', credentialInformation: 'a@b.example', clientProfile: { segmentSize: 1000 } } as const;
  assert.deepEqual(decodeRequest(encodeMessage(request, json), json), request);
  const { clientProfile, ...short } = request;
  assert.deepEqual(decodeRequest(encodeMessage(short, cbor), cbor), short);
  assert.deepEqual(decodeRequest(encodeMessage(request, cbor), cbor).clientProfile, new Map([['segmentSize', 1000]]));
  assert.equal(toHex(encodeMessage({ messageType: 'DEREG', ueServiceId: 'm' }, cbor)), 'a20165444552454702616d');
  const response = { messageType: 'REG', ueServiceId: 'meter', expiresIn: 60 } as const;
  for (const format of [json, cbor]) assert.deepEqual(decodeResponse(encodeMessage(response, format), format), response);
});

test('TS 24.538 7.1: what is no message is refused, field by field', () => {
  const wrong = { code: 'ERR_AKMA_MESSAGE' };
  const objects: unknown[] = [
    {},
    { messageType: 'REG' },
    { messageType: 'reg', ueServiceId: 'm' },
    { messageType: 1, ueServiceId: 'm' },
    { messageType: 'REG', ueServiceId: '' },
    { messageType: 'REG', ueServiceId: 'x'.repeat(513) },
    { messageType: 'REG', ueServiceId: ['m'] },
    { messageType: 'REG', ueServiceId: 'm', credentialInformation: 7 },
  ];
  for (const value of [...objects, [], null, 7]) assert.throws(() => decodeRequest(utf8(JSON.stringify(value)), json), wrong);
  assert.throws(() => decodeRequest(utf8('{"__proto__":{"messageType":"REG","ueServiceId":"m"}}'), json), wrong);
  for (const value of [new Map(), new Map([[1, 'REG']]), [], 'REG']) assert.throws(() => decodeRequest(encode(value), cbor), wrong);
  const long = { messageType: 'REG', ueServiceId: 'm', clientProfile: 'x'.repeat(8_192) } as const;
  for (const format of [json, cbor]) assert.throws(() => decodeRequest(encodeMessage(long, format), format), { ...wrong, message: /at most 8192 bytes/ });
  for (const payload of [new Uint8Array(0), Uint8Array.of(0xa1), Uint8Array.of(0xff)]) {
    assert.throws(() => decodeRequest(payload, json), wrong);
    assert.throws(() => decodeRequest(payload, cbor), wrong);
  }
  assert.throws(() => decodeResponse(utf8('{"messageType":"REG","ueServiceId":"m","expiresIn":-1}'), json), wrong);
});

test('MSGin5G registration: each request that is none, by its code', async () => {
  await inAkmaLab({}, async (lab) => {
    const anchor = await lab.authenticate(anna);
    lab.associations.set(anna.supi, ['meter']);
    const send = lab.channel(anchor);
    const post = (payload: unknown, contentFormat?: number): Promise<string> =>
      lab
        .finish(
          send(uri, {
            method: 'POST',
            payload: typeof payload === 'string' ? utf8(payload) : payload,
            ...(contentFormat === undefined ? {} : { contentFormat }),
          }),
        )
        .then(({ codeText }) => codeText);
    assert.equal(await post('{}', json), '4.00');
    assert.equal(await post('{}', 0), '4.15');
    assert.equal(await post('{}'), '4.15');
    assert.equal(await post('{"messageType":"MSG","ueServiceId":"meter"}', json), '5.01');
    const profile = JSON.stringify({ messageType: 'REG', ueServiceId: 'meter', clientProfile: 'x'.repeat(8192) });
    assert.equal(await post(profile, json), '4.13', 'what a registration keeps is bounded, as their number is');
    assert.equal(await post(`{"messageType":"REG","ueServiceId":"meter","credentialInformation":"${anchorOfSubscriber(bert).aKid}"}`, json), '4.03');
    assert.equal((await lab.finish(send(uri))).codeText, '4.05');
    assert.deepEqual(lab.refusals(), ['message', 'message', 'message-type', 'message', 'other-credential']);
    const refusal = await lab.finish(send(uri, { method: 'POST', payload: utf8('{"messageType":"REG","ueServiceId":"other"}'), contentFormat: json }));
    assert.deepEqual(decodeProblemDetails(refusal.payload), {
      title: 'MSGin5G registration',
      detail: 'the UE service ID is not associated with this UE',
      responseCode: Code.Forbidden,
    });
  });
});

test('TS 33.535 6.2: a registration ends with its K_AF; the channel asks for the key again, and ends for an AAnF that knows it no more', async () => {
  await inAkmaLab({ aanf: { lifetime: 100 } }, async (lab) => {
    const anchor = await lab.authenticate(anna);
    lab.associations.set(anna.supi, ['meter']);
    const client = lab.client(anchor, 'meter');
    assert.equal((await lab.finish(client.register())).expiresIn, 99);
    await lab.simulator.sleep(100_000);
    assert.equal(lab.msgin5g.registrationOf('meter'), undefined);
    assert.deepEqual([lab.msgin5g.stats(), lab.keys.stats()], [{ registrations: 0 }, { keys: 0, fetching: 0 }]);
    await lab.finish(client.register());
    assert.equal(lab.asked.aanf, 2);
    await lab.simulator.sleep(100_000);
    await lab.aanf.removeContext(anna.supi);
    await assert.rejects(lab.finish(client.register()), { code: 'ERR_AKMA_REFUSED', message: /4\.01/ });
    assert.deepEqual(lab.refusals(), ['no-key']);
  });
});

test('MSGin5G registration: bounded in time and number', async () => {
  await inAkmaLab({ lifetime: 10, limit: 1 }, async (lab) => {
    const [annas, berts] = [await lab.authenticate(anna), await lab.authenticate(bert)];
    lab.associations.set(anna.supi, ['anna']).set(bert.supi, ['bert', 'anna']);
    assert.equal((await lab.finish(lab.client(annas, 'anna').register())).expiresIn, 10);
    await assert.rejects(lab.finish(lab.client(berts, 'bert').register()), /5\.03/);
    // What is there may be renewed, and pass to another UE that it is associated with.
    await lab.finish(lab.client(berts, 'anna').register());
    assert.equal(lab.msgin5g.registrationOf('anna')?.ueId, bert.supi);
    await lab.simulator.sleep(11_000);
    await lab.finish(lab.client(berts, 'bert').register());
    assert.deepEqual(lab.msgin5g.stats(), { registrations: 1 });
  });
});

test('MSGin5G registration: one that comes while the server closes is refused, and leaves no timer', async () => {
  const simulator = new Simulator();
  const env = simulator.env();
  let answer: (ids: readonly string[]) => void = () => {};
  const serviceIdsOf = (): Promise<readonly string[]> =>
    new Promise((resolve) => {
      answer = resolve;
    });
  const key = { kAf: new Uint8Array(32), expiresAt: env.epoch() + 1000, supi: anna.supi };
  const keys = new ApplicationKeys({ aanf: { retrieveApplicationKey: async () => key }, afId, env });
  const reasons: (string | undefined)[] = [];
  const msgin5g = new Msgin5gRegistration({ keys: [keys], associations: { serviceIdsOf }, env, emit: ({ type, reason }) => reasons.push(reason ?? type) });
  let post: Resource['post'];
  msgin5g.serveOn({
    resource: (_path, resource) => {
      post = resource.post;
      return { changed: () => {} } as never;
    },
  });
  const association = { credential: akmaCredential(keys, anchorOfSubscriber(anna).aKid) };
  const registering = post!({ association, contentFormat: json, payload: utf8('{"messageType":"REG","ueServiceId":"meter"}') } as never);
  await new Promise((resolve) => setImmediate(resolve));
  await msgin5g.close();
  answer(['meter']);
  assert.equal(((await registering) as { readonly code: number }).code, Code.ServiceUnavailable);
  assert.deepEqual([reasons, msgin5g.stats(), simulator.pending], [['closing'], { registrations: 0 }, 0]);
});

test('Naanf_AKMA: while the AAnF does not answer nobody gets in, and who is in waits', async () => {
  let works = true;
  const lab: AkmaLab = new AkmaLab({
    aanf: { lifetime: 100 },
    retrieve: async (...args) => {
      if (!works) throw new AkmaError('ERR_AKMA_AANF', 'the AAnF gives no key');
      return lab.aanf.retrieveApplicationKey(...args);
    },
  });
  await lab.start();
  const [annas, berts] = [await lab.authenticate(anna), await lab.authenticate(bert)];
  lab.associations.set(anna.supi, ['meter']);
  const client = lab.client(annas, 'meter');
  await lab.finish(client.register());
  works = false;
  await assert.rejects(lab.finish(lab.client(berts, 'bert').register()), /internal_error/);
  await lab.simulator.sleep(100_000);
  await assert.rejects(lab.finish(client.register()), /5\.03/);
  works = true;
  await lab.finish(client.register());
  assert.deepEqual(lab.refusals(), ['aanf']);
  // What is for logs holds neither keys nor subscribers.
  const told = JSON.stringify(lab.events);
  for (const secret of [annas.kAkma, anna.supi, anna.gpsi!]) assert.ok(!told.includes(typeof secret === 'string' ? secret : toHex(secret)));
  assert.ok(told.includes(annas.aKid));
  await lab.close();
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type AccessInformation,
  aceErrorName,
  decodeAccessInformation,
  decodeError,
  encodeTokenRequest,
  type TokenRequest,
  tokenHashOf,
  tokenHashText,
  uploadWishParameters,
  WantedToken,
} from '../../src/ace/index.ts';
import type { AceClient } from '../../src/client/index.ts';
import { ContentFormat, formatCode, Method, OptionNumber, type Response, uintOf } from '../../src/coap/index.ts';
import { fromHex, toBase64Url } from '../../src/core/bytes.ts';
import { decode, Tagged } from '../../src/core/cbor.ts';
import { Simulator } from '../support/simulator.ts';
import { asAddress, asUri, mirrored, Parties, type PartiesOptions, rsAddress, rsKey, rsUri, tokenKey } from './parties.ts';

const experimental = ['token-upload'] as const;
const issuer = { uri: asUri, tokenKeys: [tokenKey] };

/** Three roles that take part, each unless it is named. */
function upload(without?: 'as' | 'rs' | 'client', options: PartiesOptions = {}): PartiesOptions {
  const rs1 = { id: 'rs1', audiences: ['rs1'], credentials: rsKey, tokenKeys: [tokenKey], authzInfo: `${rsUri}/authz-info` };
  return {
    ...options,
    as: { resourceServers: [rs1], ...(without === 'as' ? {} : { experimental }), ...options.as },
    rs: { issuers: [{ ...issuer, credentials: mirrored(rsKey) }], ...(without === 'rs' ? {} : { experimental }), ...options.rs },
    client: { ...(without === 'client' ? {} : { experimental }), ...options.client },
  };
}

async function get(parties: Parties, path = '/temperature', scope?: string): Promise<string> {
  return (await parties.finish(parties.client.fetch(rsUri + path, scope === undefined ? {} : { scope }))).codeText;
}

const outcomes = (parties: Parties): string[] => parties.asEvents.flatMap((event) => (event.type === 'token-uploaded' ? [event.outcome] : []));
const uploaders = (parties: Parties): string[] => parties.rsEvents.flatMap((event) => (event.type === 'token-accepted' ? [event.peer] : []));
const details = (parties: Parties): string[] =>
  parties.clientEvents.flatMap((event) => (event.type === 'step' && event.step === 'upload' ? [event.detail] : []));

describe('ace-workflow-and-params-08 2, with the OSCORE profile', () => {
  test('the AS uploads, protected, and the client goes on with what the RS answered; no token comes to the client', async () => {
    const simulator = new Simulator();
    const sent: string[] = [];
    simulator.filter = ({ from, to, datagram }) => {
      if (from === asAddress && to === rsAddress) sent.push(String.fromCharCode(...datagram));
      return true;
    };
    const parties = await new Parties(simulator, upload()).start();
    assert.equal(await get(parties), '2.05');
    assert.deepEqual(outcomes(parties), ['uploaded']);
    assert.deepEqual(uploaders(parties), [asAddress]);
    assert.deepEqual(details(parties), ['by the AS']);
    assert.ok(sent.length > 0 && !sent.some((text) => text.includes('authz-info')), 'its path is encrypted');
    assert.ok(parties.rsEvents.some((event) => event.type === 'request-served' && event.reason === 'authz-info'));
    assert.equal(await get(parties, '/led', 'r_led'), '2.05', 'another session');
    assert.deepEqual(outcomes(parties), ['uploaded', 'uploaded']);
    assert.deepEqual(parties.faults(), []);
    await parties.close();
  });

  for (const without of ['as', 'rs', 'client'] as const) {
    test(`without the switch at the ${without}, the client uploads as ever`, async () => {
      const parties = await new Parties(new Simulator(), upload(without)).start();
      assert.equal(await get(parties), '2.05');
      assert.deepEqual(details(parties), ['to /authz-info']);
      // An RS that does not know the AS cannot verify what it says.
      assert.deepEqual(outcomes(parties), without === 'rs' ? ['refused'] : []);
      assert.deepEqual(uploaders(parties), ['10.0.0.3:40000']);
      await parties.close();
    });
  }

  test('Section 3.1.2: an RS that cannot be reached, or that refuses: token_upload 1, and the client uploads', async () => {
    const unreachable = new Simulator();
    unreachable.filter = ({ from, to }) => !(from === asAddress && to === rsAddress);
    const refusing = upload();
    const parties = [
      await new Parties(unreachable, upload()).start(),
      await new Parties(new Simulator(), { ...refusing, rs: { ...refusing.rs, limits: { upload: 64 } } }).start(),
    ];
    assert.equal(await get(parties[0]!), '2.05');
    assert.deepEqual([outcomes(parties[0]!), details(parties[0]!)], [['unreachable'], ['to /authz-info']]);
    await assert.rejects(get(parties[1]!), { code: 'ERR_ACE_UPLOAD' });
    assert.deepEqual([outcomes(parties[1]!), details(parties[1]!)], [['refused'], ['to /authz-info']]);
    for (const each of parties) {
      assert.deepEqual(each.faults(), []);
      await each.close();
    }
  });

  test('more rights: the client uploads the update, protected by the context of the first token', async () => {
    const parties = await new Parties(new Simulator(), upload()).start();
    const put = (): Promise<{ readonly codeText: string }> => parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' });
    assert.equal(await get(parties), '2.05');
    assert.equal((await parties.finish(put())).codeText, '2.04');
    assert.deepEqual(outcomes(parties), ['uploaded']);
    assert.deepEqual(uploaders(parties), [asAddress, '10.0.0.3:40000']);
    await parties.close();
  });

  test('restarts: of the RS, the AS and the client; and a client whose RS has forgotten all asks for another token', async () => {
    const parties = await new Parties(new Simulator(), upload()).start();
    assert.equal(await get(parties), '2.05');
    await parties.finish(parties.rs.close());
    await parties.startRs();
    assert.equal(await get(parties), '2.05', 'the RS has kept it');
    await parties.kill('client1');
    parties.startClient(0, 40_100);
    assert.equal(await get(parties), '2.05', 'the client has kept it');
    assert.equal(outcomes(parties).length, 1);
    await parties.finish(parties.as.close());
    await parties.startAs();
    await parties.kill('rs');
    for await (const [key] of parties.stores.rs.scan('rs/token/')) await parties.stores.rs.delete(key);
    await parties.startRs();
    assert.equal(await get(parties), '2.05');
    assert.deepEqual(outcomes(parties), ['uploaded', 'uploaded']);
    await parties.close();
  });

  test('with 20 % loss it comes to the same', async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const parties = await new Parties(new Simulator({ seed, loss: 0.2 }), upload()).start();
      assert.equal(await get(parties), '2.05');
      assert.ok(outcomes(parties).length > 0);
      await parties.close();
    }
  });

  test('RFC 9770 11.1: a client that has but the hash of its token forgets it when that is revoked', async () => {
    const parties = await new Parties(new Simulator(), upload(undefined, { client: { revocation: {} } })).start();
    assert.equal(await get(parties), '2.05');
    const issued = parties.asEvents.findLast((event) => event.type === 'token-issued');
    assert.ok(issued?.type === 'token-issued');
    await parties.finish(parties.as.revoke(issued.token));
    await parties.finish(new Promise<void>((resolve) => parties.simulator.env().schedule(500, resolve)));
    assert.equal(parties.client.stats()['sessions'], 0);
    await parties.close();
  });

  test('what the AS may do at the RS is to upload: its context opens no resource', async () => {
    const parties = await new Parties(new Simulator(), upload()).start();
    const asAs = parties.startClient(0, 40_200, { authorizationServers: [{ uri: `${rsUri}/token`, credentials: rsKey }] });
    const answer = await parties.finish(asAs.ask({ name: 'temperature', code: Method.GET, contentFormat: 0, payload: new Uint8Array(), idempotent: true }));
    assert.equal(formatCode(answer.code), '4.01');
    assert.equal(parties.handled.size, 0);
    await parties.close();
  });
});

describe('ace-workflow-and-params-08 3, at the token endpoint', () => {
  const toRs = { payload: fromHex('a2182848018a278f7faab55a182b421645') };

  async function ask(client: AceClient, request: TokenRequest): Promise<Response> {
    const payload = encodeTokenRequest({ audience: 'rs1', scope: 'r_temp', ...request });
    return client.ask({ name: 'token', code: Method.POST, contentFormat: ContentFormat.AceCbor, payload, idempotent: true });
  }

  async function granted(parties: Parties, request: TokenRequest): Promise<AccessInformation> {
    const response = await parties.finish(ask(parties.client, request));
    assert.equal(formatCode(response.code), '2.01');
    return decodeAccessInformation(response.payload);
  }

  test('Sections 3.1.2, 3.2, 3.3.2: the token, its hash or neither, and from_rs with what the RS answered', async () => {
    const parties = await new Parties(new Simulator(), upload()).start();
    for (const wanted of Object.values(WantedToken)) {
      const { accessToken, unknown, cnf } = await granted(parties, uploadWishParameters({ wanted, toRs }));
      const issued = parties.asEvents.findLast((event) => event.type === 'token-issued');
      assert.ok(issued?.type === 'token-issued' && cnf?.osc !== undefined);
      assert.equal(unknown?.get(49), 0);
      assert.equal(accessToken === undefined ? undefined : tokenHashText(accessToken), wanted === WantedToken.token ? issued.token : undefined);
      const hash = tokenHashOf({ ...(unknown === undefined ? {} : { unknown }) });
      assert.equal(hash && toBase64Url(hash), wanted === WantedToken.hash ? issued.token : undefined);
      const fromRs = unknown?.get(52);
      assert.ok(fromRs instanceof Tagged && fromRs.tag === 1668546836 && fromRs.value instanceof Uint8Array);
      assert.deepEqual([...(decode(fromRs.value) as Map<number, unknown>).keys()].sort(), [42, 44]);
    }
    await parties.close();
  });

  test('Section 3.3.1: what the AS cannot put a token to is not uploaded, and nothing is said of an upload', async () => {
    const parties = await new Parties(new Simulator(), upload()).start();
    const wishes: TokenRequest[] = [
      uploadWishParameters({ wanted: WantedToken.none }),
      uploadWishParameters({ wanted: WantedToken.none, toRs: { payload: fromHex('80') } }),
      uploadWishParameters({ wanted: WantedToken.none, toRs: { ...toRs, contentFormat: ContentFormat.Cwt } }),
      { unknown: new Map([[49, 3]]) },
      {},
    ];
    for (const wish of wishes) {
      const { accessToken, unknown } = await granted(parties, wish);
      assert.ok(accessToken !== undefined);
      assert.equal(unknown, undefined);
    }
    assert.deepEqual(outcomes(parties), []);
    await parties.close();
  });

  test('values of other types are refused, and no token is made', async () => {
    const parties = await new Parties(new Simulator(), upload()).start();
    for (const unknown of [
      new Map([[49, 'yes']]),
      new Map<number, number | string>([
        [49, 0],
        [51, 'text'],
      ]),
    ] as const) {
      const response = await parties.finish(ask(parties.client, { unknown }));
      assert.equal(formatCode(response.code), '4.00');
      const error = decodeError(uintOf(response.options, OptionNumber.ContentFormat), response.payload);
      assert.equal(error && aceErrorName(error.error), 'invalid_request');
    }
    assert.ok(!parties.asEvents.some((event) => event.type === 'token-issued'));
    await parties.close();
  });

  test('an RS that is registered with a URI and no channel, or with no URI, is refused at the start', async () => {
    const rs1 = { id: 'rs1', audiences: ['rs1'], tokenKeys: [tokenKey], authzInfo: `${rsUri}/authz-info` };
    for (const server of [rs1, { ...rs1, credentials: rsKey, authzInfo: 'http://10.0.0.2/authz-info' }])
      await assert.rejects(new Parties(new Simulator(), { as: { resourceServers: [server], experimental } }).startAs(), {
        code: 'ERR_AS_CONFIG',
        message: /authzInfo/,
      });
  });
});

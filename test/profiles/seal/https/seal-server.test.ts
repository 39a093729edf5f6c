import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { KeyManagementClient } from '../../../../profiles/seal/https/index.ts';
import type { KeyManagementError } from '../../../../profiles/seal/index.ts';
import { fromUtf8, toBase64Url, utf8 } from '../../../../src/core/bytes.ts';
import { HttpWire, head } from '../../../support/http-wire.ts';
import { until } from '../../../support/wait.ts';
import { anna, FaceLab, jsonOf, sKmsUri, user, val1 } from './face-lab.ts';

const records = (query: string): string => `/ss-kir/v1/key-records?${query}`;
const ofUe = (id: string): string => `val-service-id=v2x&val-tgt-ue=${encodeURIComponent(JSON.stringify({ valUeId: id }))}`;

test('TS 33.434 5.3: KM over HTTPS, each check with its status, and a KM Response whatever goes wrong', () =>
  FaceLab.within({}, async (lab) => {
    const given = await lab.km({ deviceId: 'ue1' });
    assert.deepEqual([given.status, fromUtf8(given.response.payload!)], [200, 'keys of ue1']);
    assert.equal(given.response.userUri, 'acct:anna%40val.example@val.example');
    const { now } = lab;
    const cases = [
      [{ sKmsUri: 'https://other.example/km' }, {}, 400, 4, 'skms-uri'],
      [{ sKmsUri: 'coap://seal1.val.example/km' }, {}, 400, 4, 'skms-uri'],
      [{ dateTime: now - 7 }, {}, 400, 4, 'date-time'],
      [{ dateTime: now + 7 }, {}, 400, 4, 'date-time'],
      [{ version: '2.0.0' }, {}, 400, 4, 'version'],
      [{ deviceId: 'ue1', userId: user }, {}, 400, 4, 'identities'],
      [{ serviceId: 'other' }, {}, 403, 4, 'service'],
      [{ deviceId: 'ue2' }, {}, 403, 4, 'identity'],
      [{ serviceId: 'empty' }, {}, 404, 2, 'no-record'],
      [{}, { claims: { ...anna, scope: 'openid' } }, 403, 4, 'scope'],
      [{}, { claims: null }, 401, 3, 'no-token'],
      [{}, { claims: { ...anna, exp: now - 1 } }, 401, 3, 'expired'],
      [{}, { claims: { ...anna, aud: 'other' } }, 401, 3, 'audience'],
      [{}, { claims: { ...anna, val_system_id: 'other.example' } }, 401, 3, 'claims'],
    ] as const;
    lab.refusals();
    for (const [fields, asker, status, errorCode, reason] of cases) {
      const refused = await lab.km(fields, asker);
      assert.deepEqual([refused.status, refused.response.errorCode, refused.response.payload], [status, errorCode, undefined], reason);
      assert.deepEqual(lab.refusals(), [reason]);
    }
  }));

test('TS 33.434 Table 5.3.3-2: what is no KM Request over HTTPS is 400, 405, 406, 413 or 415, with ErrorCode 04 in a KM Response', () =>
  FaceLab.within({}, async (lab) => {
    const json = 'application/json';
    const right = `{"version":"1.0.0","sKmsUri":"${sKmsUri}","serviceId":"v2x","dateTime":${lab.now}}`;
    const cases: readonly (readonly [body: string | Uint8Array, headers: Record<string, string>, status: number])[] = [
      [right, {}, 200],
      [right, { 'content-type': 'application/json; charset=UTF-8' }, 200],
      ['', {}, 400],
      ['not JSON', {}, 400],
      [`${right} `.repeat(2), {}, 400],
      [right.replace('"version"', '"serviceId":"v2x","version"'), {}, 400],
      [right.replace('"1.0.0"', '1'), {}, 400],
      [right.replace('}', ',"more":1}'), {}, 400],
      [right.replace('}', `,"clientId":${'['.repeat(20)}${']'.repeat(20)}}`), {}, 400],
      [utf8(right).map((byte) => (byte === 0x76 ? 0xff : byte)), {}, 400],
      [right, { 'content-type': 'application/cbor' }, 415],
      [right, { 'content-type': 'application/json; charset=iso-8859-1' }, 415],
      [right, { 'content-type': json, 'content-encoding': 'gzip' }, 415],
      [right, { accept: 'text/html' }, 406],
      [right, { accept: 'application/json;q=0, */*' }, 406],
      [right, { accept: 'text/html, application/*;q=0.1' }, 200],
      [right.replace('v2x', 'v'.repeat(5000)), {}, 413],
    ];
    for (const [body, headers, status] of cases) {
      const response = await lab.send('POST', '/km', body, { headers });
      assert.equal(response.status, status, `${body.slice(0, 40)} ${JSON.stringify(headers)}`);
      const { errorCode, payload, sKmsUri: from } = jsonOf(response);
      assert.deepEqual([errorCode, payload === undefined, from], status === 200 ? [undefined, false, sKmsUri] : ['04', true, sKmsUri]);
      assert.equal(response.headers['cache-control'], 'no-store');
    }
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
      const response = await lab.fetch('/km', { method });
      assert.deepEqual([response.status, response.headers.allow, jsonOf(response)['errorCode']], [405, 'POST', '04']);
    }
    const { headers } = await lab.fetch('/km', { method: 'POST', claims: null });
    assert.match(String(headers['www-authenticate']), /^Bearer realm=/);
    const { headers: scoped } = await lab.send('POST', '/km', right, { claims: { ...anna, scope: 'openid' } });
    assert.match(String(scoped['www-authenticate']), /error="insufficient_scope", scope="km"/);
  }));

test('a body that is announced longer than it may be is not waited for, and the connection ends', () =>
  FaceLab.within({}, async (lab) => {
    const token = await lab.token();
    const socket = connect({ port: lab.port, host: '127.0.0.1', ca: lab.authority.cert });
    socket.write(`POST /km HTTP/1.1\r\nHost: seal1\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{`);
    let answer = '';
    for await (const part of socket) answer += String(part);
    assert.match(answer, /^HTTP\/1\.1 413 /);
    assert.match(answer, /connection: close/i);
  }));

test('SKM-C over HTTPS: the token goes with each request, and the answer is checked', () =>
  FaceLab.within({}, async (lab) => {
    let asked = 0;
    const token = (): Promise<string> => {
      asked++;
      return lab.token();
    };
    const client = new KeyManagementClient({ token, tls: { ca: lab.authority.cert }, env: lab.env });
    const uri = `https://127.0.0.1:${lab.port}/km`;
    const identity = { kind: 'deviceId', id: 'ue1' } as const;
    for (const text of ['keys of ue1', 'keys of ue1'])
      assert.equal(fromUtf8((await client.requestKeys({ sKmsUri, uri, serviceId: 'v2x', identity })).payload), text);
    assert.equal(asked, 2);
    const isRefused =
      (errorCode: number) =>
      (error: KeyManagementError): boolean =>
        error.code === 'ERR_KM_REFUSED' && error.errorCode === errorCode;
    await assert.rejects(client.requestKeys({ sKmsUri, uri, serviceId: 'empty' }), isRefused(2));
    await assert.rejects(client.requestKeys({ sKmsUri: 'https://other.example/km', uri, serviceId: 'v2x' }), isRefused(4));
    const stranger = new KeyManagementClient({ token: () => Promise.resolve('none'), tls: { ca: lab.authority.cert } });
    await assert.rejects(stranger.requestKeys({ sKmsUri, uri, serviceId: 'v2x' }), isRefused(3));
    await assert.rejects(async () => client.requestKeys({ sKmsUri: 'coap://seal1/km', serviceId: 'v2x' }), { code: 'ERR_KM_CONFIG' });
  }));

test('TS 29.549 SS_KeyInfoRetrieval: a VAL server gets keys of its services with certificate and token, for the service, a VAL UE or a VAL user', () =>
  FaceLab.within({}, async (lab) => {
    const asVal1 = { as: 'val1', claims: val1 } as const;
    const info = async (query: string): Promise<unknown> => {
      const response = await lab.fetch(records(query), asVal1);
      assert.deepEqual([response.status, response.headers['content-type'], response.headers['cache-control']], [200, 'application/json', 'no-store']);
      return jsonOf(response);
    };
    const keyInfo = (text: string): string => toBase64Url(utf8(text));
    assert.deepEqual(await info('val-service-id=v2x'), { userUri: 'acct:val1@val.example', valService: 'v2x', keyInfo: keyInfo('service keys') });
    assert.deepEqual(await info(ofUe('ue2')), {
      userUri: 'acct:ue2@val.example',
      valService: 'v2x',
      valTgtUe: { valUeId: 'ue2' },
      keyInfo: keyInfo('keys of ue2'),
    });
    const byUser = `val-service-id=v2x&val-tgt-ue=${encodeURIComponent(JSON.stringify({ valUserId: user }))}`;
    assert.deepEqual((await info(byUser)) as object, {
      userUri: 'acct:anna%40val.example@val.example',
      valService: 'v2x',
      valTgtUe: { valUserId: user },
      keyInfo: keyInfo('service keys'),
    });
    const head = await lab.fetch(records(ofUe('ue2')), { ...asVal1, method: 'HEAD' });
    assert.deepEqual([head.status, head.body.length], [200, 0]);
  }));

test('TS 29.549 SS_KeyInfoRetrieval: who or what is refused, with ProblemDetails', () =>
  FaceLab.within({}, async (lab) => {
    const now = Math.floor(Date.now() / 1000);
    const asVal1 = { as: 'val1', claims: val1 } as const;
    const target = (value: string): string => `val-service-id=v2x&val-tgt-ue=${encodeURIComponent(value)}`;
    const cases = [
      [ofUe('ue1'), { claims: val1 }, 403, 'certificate'],
      [ofUe('ue1'), { as: 'val1', claims: null }, 401, 'no-token'],
      [ofUe('ue1'), { as: 'val2', claims: val1 }, 403, 'client'],
      [ofUe('ue1'), { as: 'val1', claims: { ...val1, exp: now - 1 } }, 401, 'expired'],
      [ofUe('ue1'), { as: 'val1', claims: { ...val1, scope: 'openid' } }, 403, 'scope'],
      [ofUe('ue1'), { as: 'val1', claims: { ...val1, val_ue_id: 'ue1' } }, 403, 'val-server'],
      [ofUe('ue1'), { as: 'val1', claims: { ...val1, val_user_id: user } }, 403, 'val-server'],
      ['val-service-id=other', asVal1, 403, 'service'],
      ['val-service-id=empty', asVal1, 404, 'no-record'],
      ['', asVal1, 400, 'query'],
      ['val-service-id=', asVal1, 400, 'query'],
      ['val-service-id=v2x&val-service-id=v2x', asVal1, 400, 'query'],
      ['val-service-id=%ff', asVal1, 400, 'query'],
      [target('ue1'), asVal1, 400, 'query'],
      [target('{}'), asVal1, 400, 'query'],
      [target('{"valUeId":"ue1","valUserId":"anna"}'), asVal1, 400, 'query'],
      [target('{"valUeId":"ue1","valUeId":"ue2"}'), asVal1, 400, 'query'],
      [target('{"valUeId":7}'), asVal1, 400, 'query'],
      [ofUe('ue1'), { ...asVal1, headers: { accept: 'text/plain' } }, 406, 'accept'],
      [ofUe('ue1'), { ...asVal1, method: 'POST' }, 405, 'method'],
    ] as const;
    for (const [query, asker, status, reason] of cases) {
      lab.refusals();
      const response = await lab.fetch(records(query), asker);
      const problem = jsonOf(response);
      assert.deepEqual(
        [response.status, response.headers['content-type'], problem['status'], problem['cause']],
        [status, 'application/problem+json', status, reason],
      );
      assert.ok(lab.refusals().includes(reason), reason);
      assert.equal(response.headers['www-authenticate'] !== undefined, status === 401 || ['certificate', 'client', 'scope'].includes(reason), reason);
    }
    assert.doesNotMatch(JSON.stringify(lab.events), /keys of/);
  }));

test('a store that fails is 500 with ErrorCode 01 and ProblemDetails, and its reason goes to the log alone', () =>
  FaceLab.within({}, async (lab) => {
    lab.records.get = () => Promise.reject(new Error('disk 7 is broken'));
    const { status, response } = await lab.km();
    assert.deepEqual([status, response.errorCode], [500, 1]);
    const failed = await lab.fetch(records('val-service-id=v2x'), { as: 'val1', claims: val1 });
    assert.equal(failed.status, 500);
    assert.doesNotMatch(fromUtf8(failed.body), /disk/);
    assert.match(JSON.stringify(lab.events), /disk 7/);
  }));

test('certificate_profile: a VAL server whose certificate has not the profile of TS 33.310 is refused, by the name of the field', () =>
  FaceLab.within({ config: { certificateProfile: true } }, async (lab) => {
    const response = await lab.fetch(records('val-service-id=v2x'), { as: 'val1', claims: val1 });
    assert.deepEqual([response.status, jsonOf(response)['cause']], [403, 'certificate-profile']);
    assert.match(fromUtf8(response.body), /cRLDistributionPoints/);
  }));

test('who goes away while a body comes in is refused, and is no fault of the server', () =>
  FaceLab.within({}, async (lab) => {
    const wire = await HttpWire.open(lab.port, lab.authority.cert);
    wire.write(`${head('POST', '/km', { Authorization: `Bearer ${await lab.token()}`, 'Content-Type': 'application/json', 'Content-Length': '100' })}{`);
    await until(() => lab.face.stats()['requests'] === 1);
    wire.close();
    await until(() => lab.face.stats()['requests'] === 0);
    assert.deepEqual(
      lab.events.map(({ type, reason }) => [type, reason]),
      [
        ['connection-refused', 'malformed'],
        ['request-refused', 'body'],
      ],
    );
  }));

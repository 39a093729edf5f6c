import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { oscoreProfile } from '../../../../profiles/oscore/index.ts';
import type { Fetch, T8Client, T8Response } from '../../../../profiles/seal/https/index.ts';
import { AuthorizationServer } from '../../../as/index.ts';
import { AceClient } from '../../../client/index.ts';
import type { ResourceRequest } from '../../../coap/index.ts';
import { fromUtf8, toBase64Url, utf8 } from '../../../core/bytes.ts';
import { symmetricKey } from '../../../core/cwt.ts';
import { systemEnv } from '../../../core/env.ts';
import { LabAuthority } from '../../../pki/index.ts';
import { ResourceServer } from '../../../rs/index.ts';
import { memoryStore } from '../../../store/index.ts';
import { fetchHttps, serveHttps, udp } from '../../../transport/index.ts';
import { freePort } from '../ports.ts';
import type { StepResult } from '../step-result.ts';

const host = '127.0.0.1';
const issuer = 'https://sims.val.example';
const audience = 't8';
const scsAs = 'app1';
const meter = { externalId: 'meter1@op.example' } as const;
const pump = { externalId: 'pump1@op.example' } as const;
const imsi = '001010000000001';

type Closing = (() => Promise<unknown>)[];

/** A meter behind ACE and OSCORE, whose answer to "diagnose" names its subscriber, and what the gateway reaches it with. */
async function meterOver(closing: Closing): Promise<{ readonly uri: string; readonly client: AceClient; readonly taken: string[] }> {
  const [asPort, rsPort] = [await freePort(), await freePort()];
  const tokenKey = symmetricKey('AES-CCM-16-64-128', systemEnv.random(16));
  const masterSecret = systemEnv.random(16);
  const [one, two] = [Uint8Array.of(1), Uint8Array.of(2)];
  const as = new AuthorizationServer({
    store: memoryStore(),
    profiles: [oscoreProfile],
    clients: [{ id: 'scef', credentials: { masterSecret, senderId: one, recipientId: two }, grants: [{ audience: 'meter1', scope: 'deliver' }] }],
    resourceServers: [{ id: 'meter1', audiences: ['meter1'], tokenKeys: [tokenKey] }],
  });
  closing.push(() => as.close());
  await as.listen(await udp({ address: host, port: asPort }));
  const uri = `coap://${host}:${asPort}/token`;
  const rs = new ResourceServer({
    audience: 'meter1',
    issuers: [{ uri, tokenKeys: [tokenKey] }],
    scopes: { deliver: { '/trigger': ['POST'], '/nidd': ['POST'] } },
    store: memoryStore(),
    profiles: [oscoreProfile],
  });
  closing.push(() => rs.close());
  const taken: string[] = [];
  const post = ({ payload }: ResourceRequest): string => {
    const text = fromUtf8(payload);
    taken.push(text);
    return text === 'diagnose' ? `subscriber ${imsi}` : '17 kWh';
  };
  rs.resource('/trigger', { post });
  rs.resource('/nidd', { post });
  await rs.listen(await udp({ address: host, port: rsPort }));
  const client = new AceClient({
    authorizationServers: [{ uri, credentials: { masterSecret, senderId: two, recipientId: one } }],
    store: memoryStore(),
    profiles: [oscoreProfile],
    transport: await udp({ address: host }),
  });
  closing.push(() => client.close());
  return { uri: `coap://${host}:${rsPort}`, client, taken };
}

/** An access token for an SCS/AS (RFC 9068), as a SIM-S signs it. */
function tokenFor(client: string, key: KeyObject): string {
  const now = Math.floor(systemEnv.epoch());
  const claims = {
    iss: issuer,
    sub: client,
    aud: audience,
    client_id: client,
    scope: audience,
    jti: toBase64Url(systemEnv.random(8)),
    iat: now,
    exp: now + 60,
  };
  const signed = [{ alg: 'ES256', typ: 'at+jwt' }, claims].map((part) => toBase64Url(utf8(JSON.stringify(part)))).join('.');
  return `${signed}.${toBase64Url(sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }))}`;
}

/** An SCS/AS triggers a device and sends it data, through a T8 gateway over mutual TLS; what it may not do, and what may not leave, is refused. */
export async function* t8Steps(): AsyncGenerator<StepResult> {
  const https = await import('../../../../profiles/seal/https/index.ts');
  const { accessTokenVerifier, aceDeviceLink, Guard, NotificationListener, T8Gateway } = https;
  const closing: Closing = [];
  try {
    const { uri, client, taken } = await meterOver(closing);
    const authority = await LabAuthority.make('T8 lab', systemEnv);
    const issue = (commonName: string): ReturnType<LabAuthority['issue']> => {
      const names = [
        { type: 'ip', value: host },
        { type: 'dns', value: `${commonName}.example` },
      ] as const;
      return authority.issue({ commonName, names, usage: ['server', 'client'] });
    };
    const [scef, app] = [await issue('scef'), await issue(scsAs)];
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keys = { keys: [{ ...publicKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' }] } as never;
    const verifier = accessTokenVerifier({ issuer, audience, keys, env: systemEnv });
    const clientOf = (names: readonly string[]): readonly string[] =>
      names.flatMap((name) => (name.endsWith('.example') ? [name.slice(0, -'.example'.length)] : []));
    const guard = new Guard({ verifier, certificates: 'required', clientOf, realm: 't8', emit: () => undefined });
    const listener = await NotificationListener.listen({ ...app, clientCa: authority.cert });
    closing.push(() => listener.close());
    const gateway = new T8Gateway({
      guard,
      store: memoryStore(),
      link: aceDeviceLink(client),
      apiRoot: 'https://scef.example',
      rules: [{ scsAsId: scsAs, devices: 'meter*@op.example', api: '*', effect: 'allow' }],
      notifications: { ca: authority.cert, ...scef, allow: [`${host}:${listener.port}`] },
    });
    closing.push(() => gateway.close());
    await gateway.devices.put({ ...meter, supi: `imsi-${imsi}`, uri });
    await gateway.devices.put({ ...pump, uri });
    await gateway.start();
    const server = await serveHttps({ ...scef, clientCa: authority.cert }, gateway.handler);
    closing.push(() => server.close());
    const tls = { ca: authority.cert, ...app };
    const apiRoot = `https://${host}:${server.port}`;
    const notificationDestination = `https://${host}:${listener.port}/`;
    let requestBytes = 0;
    const fetch: Fetch = (target, init = {}) => {
      requestBytes = init.body?.length ?? 0;
      return fetchHttps(target, init);
    };
    const clientWith = (token: string): T8Client => new https.T8Client({ apiRoot, scsAsId: scsAs, tls, token: () => token, notificationDestination, fetch });
    const shown = (step: string, status: number, response: T8Response, detail: string): StepResult => {
      const responseBytes = response.body === undefined ? 0 : utf8(JSON.stringify(response.body)).length;
      return { step, code: String(response.status), requestBytes, responseBytes, ok: response.status === status, detail };
    };
    const t8 = clientWith(tokenFor(scsAs, privateKey));

    const made = await t8.trigger(meter, utf8('wake up'));
    yield shown('device trigger by an SCS/AS', 201, made, 'over mutual TLS, with an access token for this certificate');
    const { result } = await listener.next(({ transaction }) => transaction === made.location);
    yield {
      ...shown('its end, by a notification', 201, made, `${String(result)}: the device has it over ACE and OSCORE`),
      ok: result === 'SUCCESS' && taken.includes('wake up'),
    };
    const configured = await t8.configure(meter);
    const configuration = new URL(configured.location!).pathname;
    yield shown('data for the device (NIDD)', 200, await t8.deliver(configuration, meter, utf8('read')), 'taken at once; what it says back is uplink data');
    yield shown('trigger of a device that no rule allows', 403, await t8.trigger(pump, utf8('stop')), 'nothing is allowed but what a rule allows');
    const stranger = clientWith(tokenFor('app2', privateKey));
    yield shown('token of another SCS/AS', 403, await stranger.trigger(meter, utf8('wake up')), 'it is not for this certificate');
    const leak = await t8.deliver(configuration, meter, utf8('diagnose'));
    const isClean = !JSON.stringify([leak, listener.heard]).includes(imsi);
    const step = shown('answer of a device that names its IMSI', 500, leak, 'it does not leave, in whatever encoding');
    yield { ...step, ok: step.ok && isClean };
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

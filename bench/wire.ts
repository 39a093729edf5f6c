import { oscoreProfile } from '../profiles/oscore/index.ts';
import { decodeTokenResponse, type Profile, type ProfileAtClient } from '../src/ace/index.ts';
import { AuthorizationServer } from '../src/as/index.ts';
import { AceClient } from '../src/client/index.ts';
import { Code, type Layer, pathOf } from '../src/coap/index.ts';
import type { TokenKey } from '../src/core/cwt.ts';
import { ResourceServer } from '../src/rs/index.ts';
import { memoryStore } from '../src/store/index.ts';
import { udp } from '../src/transport/index.ts';
import { limitOf } from './catalogue.ts';
import { oscoreKeys, otherSide } from './requests.ts';
import { type Row, rowBeside } from './row.ts';
import { audience, scope } from './token-requests.ts';
import { type WireName, wireFloors } from './wire-floor.ts';

interface Exchanged {
  readonly code: number;
  readonly request: Uint8Array;
  readonly response: Uint8Array;
}

let measured: Promise<Readonly<Record<WireName, number>>> | undefined;

/** One size, beside the limit and beside the floor. The three roles run once for all of them. */
export async function wireRows(name: WireName): Promise<Row[]> {
  measured ??= measureSizes();
  const sizes = [(await measured)[name]];
  return [rowBeside(name, 'bytes', sizes, 'limit', limitOf(name)), rowBeside(name, 'bytes', sizes, 'floor', wireFloors()[name].length)];
}

/** Runs an AS, an RS and a client over UDP and looks at the payloads of their messages, above all protection. */
async function measureSizes(): Promise<Readonly<Record<WireName, number>>> {
  const exchanges = new Map<string, Exchanged>();
  const tokenKeys: readonly TokenKey[] = [{ use: 'encrypt0', algorithm: 10, key: { kty: 4, k: new Uint8Array(16).fill(0x55) }, kid: Uint8Array.of(1) }];
  const keys = oscoreKeys(0);
  const as = new AuthorizationServer({
    store: memoryStore(),
    profiles: [oscoreProfile],
    clients: [{ id: 'client0', profile: oscoreProfile.id, credentials: otherSide(keys), grants: [{ audience, scope }] }],
    resourceServers: [{ id: 'rs1', audiences: [audience], profiles: [oscoreProfile.id], tokenKeys }],
  });
  const asEndpoint = await as.listen(await udp());
  const asUri = `coap://127.0.0.1:${asEndpoint.local.port}/token`;
  const rs = new ResourceServer({ audience, issuers: [{ uri: asUri, tokenKeys }], store: memoryStore(), profiles: [oscoreProfile], aif: true });
  rs.resource('/temp', { get: () => '21.5 C' });
  const rsEndpoint = await rs.listen(await udp());
  const client = new AceClient({
    transport: await udp(),
    store: memoryStore(),
    profiles: [recorded(oscoreProfile, exchanges)],
    authorizationServers: [{ uri: asUri, profile: oscoreProfile.id, credentials: keys }],
  });
  try {
    const response = await client.fetch(`coap://127.0.0.1:${rsEndpoint.local.port}/temp`, { audience, scope, timeout: 10_000 });
    // Sizes of an exchange that does not lead to the resource would mean nothing.
    if (!response.ok || !response.protected) throw new Error(`expected a protected 2.05 from the resource, got ${response.codeText}`);
  } finally {
    await client.close();
    await rs.close();
    await as.close();
  }
  const token = exchanges.get('token');
  const upload = exchanges.get('authz-info');
  if (token?.code !== Code.Created || upload?.code !== Code.Created) throw new Error('expected a token request and an upload that were answered by 2.01');
  return {
    'wire-access-token': decodeTokenResponse(token.response).accessToken.length,
    'wire-token-request': token.request.length,
    'wire-token-response': token.response.length,
    'wire-authz-info-request': upload.request.length,
    'wire-authz-info-response': upload.response.length,
  };
}

/** The profile with a layer on top that notes payloads by the last segment of the path. */
function recorded(profile: Profile, exchanges: Map<string, Exchanged>): Profile {
  const recorder: Layer = {
    name: 'recorder',
    inbound: (next) => next,
    outbound: (next) => (request, listener) =>
      next(request, {
        error: (error) => listener.error(error),
        response: (response, last) => {
          exchanges.set(pathOf(request.options).at(-1) ?? '', { code: response.code, request: request.payload.slice(), response: response.payload.slice() });
          listener.response(response, last);
        },
      }),
  };
  const withRecorder = (instance: ProfileAtClient): ProfileAtClient =>
    new Proxy(instance, {
      get: (target, name): unknown => {
        if (name === 'layers') return [recorder, ...target.layers];
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  return { ...profile, client: (io) => withRecorder(profile.client!(io)) };
}

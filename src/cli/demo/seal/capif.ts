import type { CapifCallInit, CapifInvoker, CapifInvokerOptions } from '../../../../profiles/seal/https/index.ts';
import { SpatialService } from '../../../../profiles/seal/index.ts';
import { utf8 } from '../../../core/bytes.ts';
import { systemEnv } from '../../../core/env.ts';
import { LabAuthority } from '../../../pki/index.ts';
import { memoryStore } from '../../../store/index.ts';
import { type HttpsResponse, serveHttps } from '../../../transport/index.ts';
import type { StepResult } from '../step-result.ts';

const host = '127.0.0.1';
const anna = 'anna@val.example';
const aefId = 'spatial';
const apis = {
  'spatial-anchors': 'spatial-anchor:create spatial-anchor:read spatial-anchor:update spatial-anchor:delete spatial-anchor:discover',
  'spatial-maps': 'spatial-map:read spatial-map:discover',
};
const anchor = JSON.stringify({ valServiceId: 'v2x', location: { lat: 48.8606, lon: 2.3376 } });
const names = { val1: ['val1.example'], core: ['ccf.example'], aef: ['aef.example'] };

type Closing = (() => Promise<unknown>)[];

/** A core function, the spatial anchors server as an API exposing function, and a VAL server as an invoker; what the last one calls. */
async function parties(closing: Closing): Promise<{ readonly uri: string; readonly invoker: CapifInvokerOptions }> {
  const https = await import('../../../../profiles/seal/https/index.ts');
  const authority = await LabAuthority.make('CAPIF lab', systemEnv);
  const issue = (party: keyof typeof names): ReturnType<LabAuthority['issue']> => {
    const own = [{ type: 'ip', value: host } as const, ...names[party].map((value) => ({ type: 'dns', value }) as const)];
    return authority.issue({ commonName: party, names: own, usage: ['server', 'client'] });
  };
  const [core, aef, val1] = [await issue('core'), await issue('aef'), await issue('val1')];
  const trust = { ca: authority.cert };
  const issuer = 'https://ccf.example';
  const simulator = await https.CapifCoreSimulator.make({
    issuer,
    invokers: { val1: { names: names.val1, rights: { [aefId]: ['spatial-anchors'] }, owners: [anna] } },
    aefs: { [aefId]: { names: names.aef, methods: ['PKI', 'OAUTH'] } },
    tls: { ...trust, ...core },
  });
  const coreServer = await serveHttps({ ...core, clientCa: authority.cert }, simulator.handler);
  closing.push(() => coreServer.close());
  const apiRoot = `https://${host}:${coreServer.port}`;
  const guard = new https.CapifAef({
    aefId,
    apis,
    contexts: https.capifContexts({ apiRoot, tls: { ...trust, ...aef } }),
    verifier: https.accessTokenVerifier({ issuer, audience: aefId, keys: simulator.keys, profile: 'capif', env: systemEnv }),
    invokerOf: (shown) => (names.val1.some((name) => shown.includes(name)) ? 'val1' : undefined),
    valServiceIdsOf: () => ['v2x'],
    ownerOf: https.targetOwner,
    actsForOwner: true,
    emit: () => undefined,
  });
  const services = [new SpatialService({ store: memoryStore() })];
  const server = new https.SealHttpsServer({ listen: { ...aef, clientCa: authority.cert }, guard, services });
  closing.push(() => server.close());
  await server.listen();
  return { uri: `https://${host}:${server.port}`, invoker: { apiInvokerId: 'val1', apiRoot, tls: { ...trust, ...val1 } } };
}

/** A VAL server calls the spatial anchors server with CAPIF: by its certificate, with a token, for a resource owner; and where it has no right (TS 33.122). */
export async function* capifSteps(): AsyncGenerator<StepResult> {
  const { CapifError, CapifInvoker } = await import('../../../../profiles/seal/https/index.ts');
  const closing: Closing = [];
  try {
    const { uri, invoker: options } = await parties(closing);
    const path = '/su-san/v1/anchors';
    const by = async (method: 'PKI' | 'OAUTH'): Promise<CapifInvoker> => {
      const invoker = new CapifInvoker(options);
      await invoker.negotiate([{ aefId, prefSecurityMethods: [method] }]);
      return invoker;
    };
    const call = (invoker: CapifInvoker, at: string, init: Partial<CapifCallInit> = {}): Promise<HttpsResponse> => {
      const headers = { 'content-type': 'application/json' };
      return invoker.fetch(uri + at, { aefId, apis: ['spatial-anchors'], ...(init.body === undefined ? {} : { headers }), ...init });
    };
    const shown = (step: string, expected: number, { status, body }: HttpsResponse, detail: string, sent = ''): StepResult => {
      return { step, code: String(status), requestBytes: utf8(sent).length, responseBytes: body.length, ok: status === expected, detail };
    };
    const pki = await by('PKI');
    yield shown('CAPIF method 2: anchors by certificate', 200, await call(pki, path), 'the core function has selected PKI, and tells the rights');
    const oauth = await by('OAUTH');
    const made = await call(oauth, path, { method: 'POST', body: anchor, resOwnerId: anna });
    yield shown('CAPIF method 3: an anchor for its owner', 201, made, `with a token that ${anna} agreed to (RNAA)`, anchor);
    const changed = await call(oauth, made.headers.location ?? path, { method: 'PUT', body: anchor });
    yield shown('the same without the owner', 403, changed, `it is ${anna}'s, whoever has made it for her`, anchor);
    yield shown('CAPIF with the method of before', 401, await call(pki, path), 'PKI was selected no more');
    let said = 'there was a token';
    try {
      await oauth.token({ aefId, apis: ['spatial-maps'] });
    } catch (error) {
      if (!(error instanceof CapifError)) throw error;
      said = error.message;
    }
    const code = /got (\d{3})$/.exec(said)?.[1] ?? null;
    yield {
      step: 'token for an API that is not its own',
      code,
      requestBytes: 0,
      responseBytes: 0,
      ok: code === '400' && said.includes('invalid_scope'),
      detail: said,
    };
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

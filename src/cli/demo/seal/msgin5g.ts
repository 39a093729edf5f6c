import {
  AanfSimulator,
  AkmaError,
  ApplicationKeys,
  akmaTlsProtocol,
  akmaTlsSchemes,
  akmaTlsServer,
  deriveAnchor,
  Msgin5gClient,
  Msgin5gRegistration,
} from '../../../../profiles/seal/akma/index.ts';
import { type CoapResponse, Endpoint, Router } from '../../../coap/index.ts';
import { systemEnv } from '../../../core/env.ts';
import { CoapClient } from '../../../transport/index.ts';
import type { StepResult } from '../step-result.ts';

const supi = 'imsi-001010000000001';
const fqdn = 'msgin5g.val.example';

/** A UE registers at an MSGin5G server over TLS, with a key that comes from its SIM and that the server has from the AAnF (TS 33.501, Annex Y; TS 33.535). */
export async function* msgin5gSteps(): AsyncGenerator<StepResult> {
  const anchor = deriveAnchor({ kAusf: systemEnv.random(32), supi, routingIndicator: '0', homeNetwork: '5gc.mnc001.mcc001.3gppnetwork.org' });
  const aanf = new AanfSimulator();
  await aanf.registerAnchorKey({ ...anchor, supi });
  const keys = new ApplicationKeys({ aanf, afId: { fqdn, protocol: akmaTlsProtocol() } });
  const registration = new Msgin5gRegistration({ keys: [keys], associations: { serviceIdsOf: async (ueId) => (ueId === supi ? ['meter1'] : []) } });
  const router = new Router();
  registration.mount(router);
  const server = new Endpoint({ transport: await akmaTlsServer({ keys, address: '127.0.0.1' }), handler: router.handler });
  const client = new CoapClient({ schemes: akmaTlsSchemes({ anchor: () => anchor, fqdn }) });
  let last: { readonly requestBytes: number; readonly response: CoapResponse } | undefined;
  const request: ConstructorParameters<typeof Msgin5gClient>[0]['request'] = async (to, init) => {
    const response = await client.request(to, init);
    last = { requestBytes: init.payload instanceof Uint8Array ? init.payload.length : 0, response };
    return response;
  };
  const uri = `coaps+tcp://127.0.0.1:${server.local.port}/msgin5g`;
  const register = async (step: string, ueServiceId: string, expected: string): Promise<StepResult> => {
    let detail = '';
    try {
      const { expiresIn } = await new Msgin5gClient({ request, uri, anchor: () => anchor, ueServiceId }).register();
      detail = `for ${expiresIn} s; K_AF is the key of TLS 1.3`;
    } catch (error) {
      if (!(error instanceof AkmaError)) throw error;
      detail = error.message;
    }
    const code = last?.response.codeText ?? null;
    return { step, code, requestBytes: last?.requestBytes ?? 0, responseBytes: last?.response.payload.length ?? 0, ok: code === expected, detail };
  };
  try {
    yield await register('MSGin5G registration over TLS', 'meter1', '2.04');
    yield await register("MSGin5G registration of another's service", 'lamp1', '4.03');
  } finally {
    await client.close();
    await server.close();
    await registration.close();
  }
}

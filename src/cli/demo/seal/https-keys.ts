import { ClientCredentials, type KeyInfoRequest, KeyRecordsClient } from '../../../../profiles/seal/https/index.ts';
import { KeyManagementError, kmScope } from '../../../../profiles/seal/index.ts';
import { equalBytes } from '../../../core/bytes.ts';
import { type TlsClientOptions, TransportError } from '../../../transport/index.ts';
import type { StepResult } from '../step-result.ts';
import { type HttpsExchange, recordingFetch } from './https-login.ts';

/** A key management server with a face for VAL servers, the SIM-S, and a VAL server that is registered there. */
export interface HttpsKeysParties {
  /** SIM-S. */
  readonly issuer: string;
  /** Where the key management server is: `https://127.0.0.1:10444`. */
  readonly apiRoot: string;
  /** What their certificates are signed by, in PEM. */
  readonly ca: string | Uint8Array;
  readonly clientId: string;
  readonly clientSecret: string;
  /** The certificate of the VAL server. */
  readonly own: Required<Pick<TlsClientOptions, 'cert' | 'key'>>;
  /** That of another VAL server. */
  readonly others: Required<Pick<TlsClientOptions, 'cert' | 'key'>>;
  /** What the VAL server may have beside `km`. */
  readonly otherScope: string;
  /** VAL service ID, and a VAL UE that has a record of its own. */
  readonly serviceId: string;
  readonly ueId: string;
  /** What is in that record. */
  readonly keys: Uint8Array;
}

/** A VAL server fetches keys over mutual TLS with client_credentials (TS 33.434, 5.1.1.4 and 5.1.1.8; TS 29.549), and whoever is not quite it gets none. */
export async function* httpsKeysSteps(parties: HttpsKeysParties): AsyncGenerator<StepResult> {
  const { issuer, apiRoot, ca, clientId, clientSecret, own, others, otherScope, serviceId, ueId, keys } = parties;
  const { fetch, exchanges } = recordingFetch(ca);
  const tokensFor = (scope: string): ClientCredentials => new ClientCredentials({ issuer, clientId, clientSecret, scope, fetch });
  const credentials = tokensFor(kmScope);
  const request: KeyInfoRequest = { serviceId, identity: { kind: 'deviceId', id: ueId } };
  const ask = (tls: TlsClientOptions, token = (): Promise<string> => credentials.token(), asked = request): ReturnType<KeyRecordsClient['keyInfo']> =>
    new KeyRecordsClient({ apiRoot, token, tls, fetch }).keyInfo(asked);
  await credentials.token();
  yield stepOf('token of a VAL server', 200, exchanges.at(-1), 'client_credentials, over HTTPS');
  const given = await ask(own);
  yield stepOf('keys by certificate and token', 200, exchanges.at(-1), `${given.payload.length} bytes for ${given.userUri}`, equalBytes(given.payload, keys));
  /** A refusal, by the server or by TLS before it. */
  const refused = async (step: string, status: number, asking: () => Promise<unknown>): Promise<StepResult> => {
    const { length } = exchanges;
    try {
      await asking();
    } catch (error) {
      if (error instanceof TransportError) return { step, code: null, requestBytes: 0, responseBytes: 0, ok: true, detail: error.message };
      if (error instanceof KeyManagementError) return stepOf(step, status, exchanges[length], error.message);
      throw error;
    }
    return stepOf(step, status, exchanges.at(-1), 'there were keys');
  };
  yield await refused('keys without a certificate', 403, () => ask({}));
  yield await refused("keys with another's certificate", 403, () => ask(others));
  yield await refused('keys without a token', 401, () => ask(own, () => Promise.resolve('none')));
  const elsewhere = await tokensFor(otherScope).token();
  yield await refused(`keys with a token for ${otherScope}`, 403, () => ask(own, () => Promise.resolve(elsewhere)));
  yield await refused('keys of a service that is not its own', 403, () => ask(own, undefined, { serviceId: 'another' }));
}

function stepOf(step: string, status: number, exchange: HttpsExchange | undefined, detail: string, alsoNeeded = true): StepResult {
  const { requestBytes = 0, responseBytes = 0 } = exchange ?? {};
  return {
    step,
    code: exchange === undefined ? null : String(exchange.status),
    requestBytes,
    responseBytes,
    ok: exchange?.status === status && alsoNeeded,
    detail,
  };
}

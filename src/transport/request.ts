import type { CoapResponse } from '../coap/index.ts';
import { CoapClient, type CoapObserveInit } from './coap-client.ts';
import type { CoapRequestInit } from './request-init.ts';

/** The same, and through which client. */
export interface CoapRequestOptions extends CoapRequestInit {
  /** Absent: one for this request alone, which is closed after it. */
  readonly client?: CoapClient;
}

/**
 * Ask a CoAP server, and get its answer whatever its code.
 *
 * ```ts
 * const response = await request('coap://127.0.0.1/led', { method: 'PUT', payload: { on: true }, contentFormat: 'application/cbor' });
 * if (!response.ok) console.error(response.codeText, response.text());
 * ```
 *
 * @throws {TransportError} `ERR_TRANSPORT_SCHEME`, `ERR_TRANSPORT_RESOLVE`
 * @throws {CoapError} `ERR_COAP_URI`, `ERR_COAP_METHOD`, `ERR_COAP_CONTENT_FORMAT`, `ERR_COAP_VALUE`, `ERR_COAP_TIMEOUT`, `ERR_COAP_ABORTED`, `ERR_COAP_RESET`
 */
export async function request(uri: string, options: CoapRequestOptions = {}): Promise<CoapResponse> {
  const { client, ...init } = options;
  if (client !== undefined) return client.request(uri, init);
  const own = new CoapClient();
  try {
    return await own.request(uri, init);
  } finally {
    await own.close();
  }
}

/**
 * Observe a resource: the answer to the registration, then each notification. Of what a slow loop has not taken, the newest are kept. Leaving the loop ends
 * the observation, an abort of the signal ends both; `timeout` is for the first answer.
 *
 * ```ts
 * for await (const response of observe('coap://127.0.0.1/time', { signal: AbortSignal.timeout(60_000) })) console.log(response.text());
 * ```
 *
 * @throws {CoapError} as `request`
 */
export async function* observe(uri: string, options: CoapRequestOptions & CoapObserveInit = {}): AsyncGenerator<CoapResponse, void, undefined> {
  const { client, ...init } = options;
  if (client !== undefined) {
    yield* client.observe(uri, init);
    return;
  }
  const own = new CoapClient();
  try {
    yield* own.observe(uri, init);
  } finally {
    await own.close();
  }
}

import { type CoapResponse, Code, ContentFormat, decodeProblemDetails, problemText } from '../../../src/coap/index.ts';
import { ProtocolError } from '../../../src/core/errors.ts';
import type { CoapRequestInit } from '../../../src/transport/index.ts';
import { AkmaError } from './error.ts';
import { decodeResponse, encodeMessage, type MessageType, type RegistrationResponse } from './msgin5g-message.ts';
import { anchorOf, type UeAnchor } from './ue.ts';

/** A UE that registers at an MSGin5G server, and how it reaches that. */
export interface Msgin5gClientOptions {
  /** Sends a request over a channel that K_AF protects: `CoapClient.request` with `akmaCredentials`. */
  readonly request: (uri: string, init: CoapRequestInit) => Promise<CoapResponse>;
  /** Of the MSGin5G server: `coaps://msgin5g.example/msgin5g`. */
  readonly uri: string;
  /** The anchor key that the last primary authentication left. */
  readonly anchor: () => UeAnchor | undefined;
  readonly ueServiceId: string;
  /** 50 (JSON) when absent, or 60 (CBOR). */
  readonly contentFormat?: typeof ContentFormat.Json | typeof ContentFormat.Cbor;
}

/** The MSGin5G client of a UE, as far as it registers. */
export class Msgin5gClient {
  readonly #options: Msgin5gClientOptions;

  constructor(options: Msgin5gClientOptions) {
    this.#options = options;
  }

  /**
   * Register under the UE service ID.
   *
   * @throws {AkmaError} `ERR_AKMA_NO_KEY` before primary authentication, and then nothing is sent; `ERR_AKMA_REFUSED`, `ERR_AKMA_MESSAGE`
   */
  register(clientProfile?: unknown): Promise<RegistrationResponse> {
    return this.#send('REG', clientProfile);
  }

  /** End the registration. @throws {AkmaError} as `register` */
  deregister(): Promise<RegistrationResponse> {
    return this.#send('DEREG', undefined);
  }

  async #send(messageType: MessageType, clientProfile: unknown): Promise<RegistrationResponse> {
    const { request, uri, ueServiceId, contentFormat = ContentFormat.Json } = this.#options;
    // TS 33.501, Y.2: K_AKMA and A-KID are there before any communication with the server.
    const { aKid } = anchorOf(this.#options.anchor());
    const message = { messageType, ueServiceId, credentialInformation: aKid, ...(clientProfile === undefined ? {} : { clientProfile }) };
    const response = await request(uri, { method: 'POST', payload: encodeMessage(message, contentFormat), contentFormat });
    if (response.code !== Code.Changed) throw new AkmaError('ERR_AKMA_REFUSED', `the MSGin5G server answers ${response.codeText}${reasonOf(response)}`);
    const answer = decodeResponse(response.payload, response.contentFormat ?? contentFormat);
    if (answer.ueServiceId !== ueServiceId || answer.messageType !== messageType) {
      throw new AkmaError('ERR_AKMA_MESSAGE', 'expected an answer to this message, got one to another');
    }
    return answer;
  }
}

function reasonOf(response: CoapResponse): string {
  if (response.contentFormat !== ContentFormat.ConciseProblemDetails) return '';
  try {
    return ` (${problemText(decodeProblemDetails(response.payload))})`;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return '';
  }
}

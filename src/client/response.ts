import { CoapResponse, type Response } from '../coap/index.ts';

/** An answer, and whether something vouches for it. */
export class AceResponse extends CoapResponse {
  /** Whether it came inside an association with the RS. An error that did not may come from anybody. */
  readonly protected: boolean;

  constructor(response: Response) {
    super(response);
    this.protected = response.association !== undefined;
  }
}

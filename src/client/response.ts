import { CoapResponse, type Response, type SecurityAssociation } from '../coap/index.ts';

/** An answer, and whether something vouches for it. */
export class AceResponse extends CoapResponse {
  /** Whether it came inside an association with the RS. An error that did not may come from anybody. */
  readonly protected: boolean;
  /** That association. */
  declare readonly association?: SecurityAssociation;

  constructor(response: Response) {
    super(response);
    const { association } = response;
    this.protected = association !== undefined;
    if (association !== undefined) this.association = association;
  }
}

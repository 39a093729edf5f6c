import { HttpMappingError } from '../coap/index.ts';

/** What a gateway does not do for a client, and why. */
export class Refusal extends Error {
  readonly status: number;
  /** For the log: one word. */
  readonly reason: string;
  readonly headers: Readonly<Record<string, string>>;

  /** @param detail for the client */
  constructor(status: number, reason: string, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.status = status;
    this.reason = reason;
    this.headers = headers;
  }
}

/** What is thrown on the way of a request, as an answer. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof HttpMappingError) return new Refusal(error.status, 'mapping', error.message);
  return new Refusal(500, 'internal', 'the gateway cannot do this');
}

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { HttpsCaller } from '../guard/guard.ts';
import type { HttpAnswer, HttpRefusal } from './http-answer.ts';

/** Tells who asks, as `Guard` does; it throws for whoever may not. */
export interface RequestGuard {
  /** @throws {GuardRefusal} */
  check(request: IncomingMessage): Promise<HttpsCaller>;
}

/** A request that passed the guard. */
export interface EndpointRequest {
  readonly method: string;
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
  /** `undefined`: the token has ended since. */
  callerOf(): HttpsCaller | undefined;
}

/** A resource of an HTTPS face alone, whose messages have a form of their own. */
export interface HttpsEndpoint {
  readonly path: string;
  readonly methods: readonly string[];
  /** Bytes of the longest body that is read. */
  readonly largest: number;
  /** In the place of that of the server. */
  readonly guard?: RequestGuard;
  /** @throws {HttpRefused} */
  answer(request: EndpointRequest): Promise<HttpAnswer>;
  /** The form in which a request is refused before it gets here, with its body as far as that could be read. Absent: problem details. */
  refuse?(refusal: HttpRefusal, body: Uint8Array): HttpAnswer;
}

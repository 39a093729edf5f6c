import type { IncomingMessage } from 'node:http';
import { utf8 } from '../../../../src/core/bytes.ts';
import { ProtocolError } from '../../../../src/core/errors.ts';
import type { HttpsCaller } from '../guard/guard.ts';
import { PeerCertificates } from '../guard/peer-certificate.ts';
import { strictJsonObject } from '../guard/strict-json.ts';
import { checkJson } from '../seal-server/body.ts';
import type { EndpointRequest, HttpsEndpoint, RequestGuard } from '../seal-server/endpoint.ts';
import { type HttpAnswer, HttpRefused, notStored } from '../seal-server/http-answer.ts';
import type { CapifAef } from './aef.ts';
import { readSecurityNotification } from './security-context.ts';

/** Whom an AEF hears. */
export interface AefSecurityOptions {
  readonly aef: CapifAef;
  /** Names of the certificate of the core function. */
  readonly coreNames: readonly string[];
  /** The invoker of a certificate, as for `CapifAef`. */
  readonly invokerOf: (names: readonly string[]) => string | undefined;
}

const root = '/aef-security/v1';
const largest = 16_384;
/** Seconds: each request is authenticated anew. */
const always = Number.MAX_SAFE_INTEGER;

/** By certificate alone. */
function certificateGuard(partyOf: (names: readonly string[]) => string | undefined): RequestGuard {
  const certificates = new PeerCertificates(undefined);
  return {
    check: async (request: IncomingMessage): Promise<HttpsCaller> => {
      const { names } = certificates.of(request.socket) ?? { names: [] };
      const party = partyOf(names);
      if (party === undefined)
        throw new HttpRefused({ status: 403, reason: 'client', detail: 'expected the certificate of a party of CAPIF, got none, or another' });
      const claims = { iss: 'capif', sub: party, aud: 'capif', exp: always, iat: 0, jti: '', scope: '', client_id: party };
      return { subject: party, clientId: party, names, valServiceIds: [], scope: '', expiresAt: always, claims };
    },
  };
}

/** AEF_Security_API (TS 29.222): an invoker asks whether it is known, and the core function revokes. */
export function aefSecurityEndpoints({ aef, coreNames, invokerOf }: AefSecurityOptions): readonly HttpsEndpoint[] {
  return [
    {
      path: `${root}/check-authentication`,
      methods: ['POST'],
      largest,
      guard: certificateGuard(invokerOf),
      answer: async (request) => {
        const apiInvokerId = read(request, () => strictJsonObject(request.body)?.['apiInvokerId']);
        if (typeof apiInvokerId !== 'string') throw unfit('apiInvokerId: expected an invoker by its identifier, got something else');
        const isOwn = apiInvokerId === request.callerOf()?.clientId;
        if (isOwn && (await aef.hasContext(apiInvokerId))) return features;
        throw new HttpRefused({ status: 403, reason: 'context', detail: 'expected the invoker of the certificate, with a security context, got another' });
      },
    },
    {
      path: `${root}/revoke-authorization`,
      methods: ['POST'],
      largest,
      guard: certificateGuard((names) => (names.some((name) => coreNames.includes(name)) ? 'core' : undefined)),
      answer: async (request) => {
        aef.revoke(read(request, () => readSecurityNotification(request.body)));
        return features;
      },
    },
  ];
}

/** None of the optional features. */
const features: HttpAnswer = {
  status: 200,
  headers: { ...notStored, 'content-type': 'application/json' },
  body: utf8(JSON.stringify({ supportedFeatures: '0' })),
};

function read<T>(request: EndpointRequest, reader: () => T): T {
  checkJson(request);
  try {
    return reader();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw unfit(error.message);
  }
}

function unfit(detail: string): HttpRefused {
  return new HttpRefused({ status: 400, reason: 'message', detail });
}

import { encodeAif, encodeTokenRequest } from '../src/ace/index.ts';
import { Code, ContentFormat, Endpoint, echo, Method, OptionNumber, pathOptions, uintOption } from '../src/coap/index.ts';
import { systemEnv } from '../src/core/env.ts';
import { ContextTable, deriveContext, oscore } from '../src/oscore/index.ts';
import { udp } from '../src/transport/index.ts';
import { expectProtected, type Inner, oscoreKeys, ProtectedClient } from './requests.ts';

/** How many clients the AS of the bench knows. */
export const clientCount = 64;

export const audience = 'rs1';
export const scope: Uint8Array = encodeAif([['temp', 1]]);

/** What each client sends. */
export const tokenRequestOfClient: Inner = {
  code: Method.POST,
  options: [...pathOptions(['token']), uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)],
  payload: encodeTokenRequest({ audience, scope }),
};

/** Clients of the AS, which send token requests. */
export function tokenClients(count: number): ProtectedClient[] {
  return Array.from({ length: count }, (_, index) => new ProtectedClient(oscoreKeys(index), tokenRequestOfClient));
}

/** An answer with a token in it is longer than any error. */
export function expectToken(reply: Uint8Array): string | undefined {
  return expectProtected(reply) ?? (reply.length > 100 ? undefined : 'a token');
}

/**
 * One token request of each client with numbers below those of the measured ones: the first request after a start of the AS is answered by Echo (RFC 8613, Appendix B.1.2),
 * which is not what is measured.
 */
export async function introduce(port: number, count: number): Promise<void> {
  const contexts = new ContextTable();
  let sequence = 0;
  const store = { reserve: async (_key: string, numbers: number): Promise<number> => (sequence += numbers) - numbers };
  const challenges = echo({}, systemEnv);
  const endpoint = new Endpoint({ transport: await udp(), layers: [challenges, oscore({ contexts, store, env: systemEnv })] });
  try {
    const peer = await endpoint.resolve('127.0.0.1', port);
    for (let index = 0; index < count; index++) {
      const association = deriveContext(oscoreKeys(index));
      contexts.add(association);
      const { code } = await endpoint.request({ ...tokenRequestOfClient, peer, association }, { timeout: 10_000 });
      if (code !== Code.Created) throw new Error(`expected 2.01 with a token, got code ${code}`);
      contexts.remove(association);
    }
  } finally {
    challenges.close();
    await endpoint.close();
  }
}

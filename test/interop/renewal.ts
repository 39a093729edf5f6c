import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Code, findOption, Method, OptionNumber, pathOptions, type Response, Router } from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import {
  type ContextParameters,
  ContextTable,
  decodeOscoreOption,
  type OscoreEvent,
  type OscoreOption,
  oscore,
  RenewableContext,
  type RenewableOptions,
} from '../../src/oscore/index.ts';
import { contextA, mirrored, reservations } from './oscore-peers.ts';
import { type Ours, type OursOptions, ours } from './ours.ts';

/** An endpoint of ours that runs Appendix B.2 of RFC 8613. */
export interface Renewing extends Ours {
  readonly events: OscoreEvent[];
  readonly renewable: RenewableContext;
}

export async function renewing(t: TestContext, of: ContextParameters, options: RenewableOptions, endpoint: OursOptions = {}): Promise<Renewing> {
  const events: OscoreEvent[] = [];
  const contexts = new ContextTable();
  const renewable = new RenewableContext(of, options);
  contexts.addRenewable(renewable);
  const layer = oscore({ contexts, store: reservations(), env: systemEnv, emit: (event) => events.push(event) });
  return { ...(await ours(t, { ...endpoint, layers: [layer] })), events, renewable };
}

/** Our server, which writes down what it executes. */
export async function serverOf(t: TestContext, options: RenewableOptions = {}): Promise<Renewing & { readonly executed: string[] }> {
  const executed: string[] = [];
  const router = new Router();
  router.resource('/told', {
    post: (request) => {
      executed.push(request.text());
      return request.association === undefined ? { code: Code.Unauthorized } : request.text();
    },
  });
  return { ...(await renewing(t, mirrored(contextA), options, { handler: router.handler })), executed };
}

export function options({ passed }: Ours): OscoreOption[] {
  return passed.map(({ message }) => decodeOscoreOption(findOption(message.options, OptionNumber.Oscore)!.value));
}

export function steps({ events }: Renewing): string[] {
  return events.flatMap((event) => (event.type === 'renewing' ? [event.step] : event.type === 'renewed' ? ['renewed'] : []));
}

export async function asking(client: Renewing, port: number, payload: string): Promise<string> {
  const response: Response = await client.endpoint.request(
    { code: Method.POST, peer: await client.peer(port), options: pathOptions(['told']), payload: utf8(payload), association: client.renewable },
    { timeout: 15_000 },
  );
  assert.equal(response.code, Code.Changed);
  assert.equal(response.association, client.renewable);
  return fromUtf8(response.payload);
}

import assert from 'node:assert/strict';
import {
  Code,
  decodeMessage,
  Endpoint,
  findOption,
  type Handler,
  isRequest,
  type Message,
  Method,
  type Option,
  OptionNumber,
  pathOptions,
  type Request,
  type Response,
} from '../../src/coap/index.ts';
import { concat, emptyBytes, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { decode } from '../../src/core/cbor.ts';
import {
  type ContextParameters,
  ContextTable,
  decodeOscoreOption,
  deriveContext,
  type OscoreEvent,
  type OscoreOption,
  oscore,
  RenewableContext,
  type RenewableOptions,
  type SecurityContext,
} from '../../src/oscore/index.ts';
import type { Simulator } from '../support/simulator.ts';
import { answering, ask, FakeStore, type Heard, mirrored, parameters, request, Side, Wire } from './support.ts';

export const clientKey = '10.0.0.2:5683';
export const serverKey = '10.0.0.1:5683';

/** One endpoint with renewable input parameters that can crash: what its store holds is all that survives. */
export class Party {
  readonly store: FakeStore = new FakeStore();
  readonly events: OscoreEvent[] = [];
  /** The payloads of requests that were executed, over all restarts. */
  readonly served: string[] = [];
  renewable!: RenewableContext;
  contexts!: ContextTable;
  endpoint!: Endpoint;
  layer!: ReturnType<typeof oscore>;
  /** In the place of what answers with the payload. */
  handler: Handler | undefined = undefined;
  readonly #sim: Simulator;
  readonly #key: string;
  readonly #input: ContextParameters;
  #close: () => Promise<void> = () => Promise.resolve();
  #starts = 0;

  constructor(sim: Simulator, key: string, input: ContextParameters, options: RenewableOptions = {}) {
    this.#sim = sim;
    this.#key = key;
    this.#input = input;
    this.start(options);
  }

  start(options: RenewableOptions = {}): void {
    const [address, port] = this.#key.split(':') as [string, string];
    const env = this.#sim.env(`${this.#key} ${this.#starts++}`);
    this.contexts = new ContextTable();
    this.renewable = new RenewableContext(this.#input, options);
    this.contexts.addRenewable(this.renewable);
    this.layer = oscore({ contexts: this.contexts, store: this.store, env, block: 4, emit: (event) => this.events.push(event) });
    const transport = this.#sim.transport(address, Number(port));
    this.#close = () => transport.close();
    this.endpoint = new Endpoint({
      transport,
      env,
      layers: [this.layer],
      parameters: { nstart: 8, maxRetransmit: 9 },
      handler: (request, reply) => {
        if (this.handler !== undefined) return this.handler(request, reply);
        if (request.association === undefined) return reply.respond({ code: Code.Unauthorized, options: [], payload: emptyBytes });
        this.served.push(fromUtf8(request.payload));
        reply.respond({ code: Code.Changed, options: [], payload: request.payload.slice() });
      },
    });
  }

  /** Nothing is written down, nothing is said. */
  crash(): void {
    void this.#close();
  }

  restart(options: RenewableOptions = {}): void {
    this.crash();
    this.start(options);
  }

  async ask(payload: string, to: string = serverKey, code: number = Method.POST, more: readonly Option[] = []): Promise<Response> {
    const [address, port] = to.split(':') as [string, string];
    return this.endpoint.request({
      code,
      peer: this.#sim.peer(address, Number(port)),
      options: [...pathOptions(['r']), ...more],
      payload: utf8(payload),
      association: this.renewable,
    });
  }

  /** What happened of the procedure. */
  get renewals(): string[] {
    return this.events.flatMap((event) => {
      if (event.type === 'renewing') return [`${event.role} ${event.step}`];
      if (event.type === 'renewed') return [`${event.role} renewed`];
      return event.type === 'renewal-failed' ? [`failed ${event.code}`] : [];
    });
  }
}

/** A client and a server that have the input parameters and no context. */
export function parties(sim: Simulator, client: RenewableOptions = {}, server: RenewableOptions = {}): { client: Party; server: Party } {
  return { client: new Party(sim, clientKey, parameters, client), server: new Party(sim, serverKey, mirrored(parameters), server) };
}

/** The OSCORE messages on the wire, each once, with the datagram. */
export function oscoreMessages(sim: Simulator): { readonly from: string; readonly to: string; readonly message: Message; readonly option: OscoreOption }[] {
  const seen = new Set<string>();
  return sim.wire.flatMap(({ from, to, datagram }) => {
    const key = `${from} ${to} ${toHex(datagram)}`;
    const message = decodeMessage(datagram);
    const header = findOption(message.options, OptionNumber.Oscore);
    if (header === undefined || seen.has(key)) return [];
    seen.add(key);
    return [{ from, to, message, option: decodeOscoreOption(header.value) }];
  });
}

interface Asked {
  readonly context: SecurityContext;
  readonly partialIv: Uint8Array;
}

/**
 * Read all that was on the wire and make sure that no (key, nonce) pair protects two different messages. Each message is attributed to the context that opens
 * it, derived from what the wire shows. `isForged` says of a message that nothing opens that it is an attacker's.
 */
export function auditRenewals(
  sim: Simulator,
  input: ContextParameters,
  isForged: (payload: Uint8Array) => boolean = () => false,
): { readonly pairs: number; readonly keys: number } {
  const requests = new Map<string, Asked[]>();
  const used = new Map<string, string>();
  const keys = new Set<string>();
  const use = (key: string, nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): void => {
    const pair = `${key} ${toHex(nonce)}`;
    const content = `${toHex(aad)} ${toHex(ciphertext)}`;
    assert.equal(used.get(pair) ?? content, content, 'a nonce was used twice with one key');
    used.set(pair, content);
    keys.add(key);
  };
  for (const { from, to, message, option } of oscoreMessages(sim)) {
    const { kid, kidContext, partialIv } = option;
    const ids = kidContext === undefined ? [undefined] : [unwrapped(kidContext), kidContext].filter((id) => id !== undefined);
    if (isRequest(message.code)) {
      // The receiver of a request may have the part of the client elsewhere: its view is the mirror.
      const views = [input, mirrored(input)].filter((view) => kid !== undefined && toHex(view.senderId) === toHex(kid));
      const context = views
        .flatMap((view) => ids.map((id) => derive(view, id)))
        .find((one) => opens(() => one.sender.aead.open(one.sender.nonce(partialIv!), one.sender.aad(partialIv!), message.payload)));
      if (context === undefined) {
        assert.ok(isForged(message.payload), `nothing opens the request ${toHex(message.payload)}`);
        continue;
      }
      const exchange = `${from} ${to} ${toHex(message.token)}`;
      requests.set(exchange, [...(requests.get(exchange) ?? []), { context, partialIv: partialIv! }]);
      use(`${context.senderKeyId} ${toHex(context.senderId)}`, context.sender.nonce(partialIv!), context.sender.aad(partialIv!), message.payload);
      continue;
    }
    const answered = (requests.get(`${to} ${from} ${toHex(message.token)}`) ?? []).some(({ context, partialIv: asked }) => {
      const own = kidContext === undefined ? context : derive(viewOf(input, context), concat(unwrapped(kidContext)!, context.idContext ?? emptyBytes));
      const nonce = partialIv === undefined ? context.sender.nonce(asked) : own.recipient.nonce(partialIv);
      const aad = own.sender.aad(asked);
      if (!opens(() => own.recipient.aead.open(nonce, aad, message.payload))) return false;
      // By the key of the one who answers, of which the other end has the mirror.
      use(`${derive(mirrored(viewOf(input, own)), own.idContext).senderKeyId} ${toHex(own.recipientId)}`, nonce, aad, message.payload);
      return true;
    });
    assert.ok(answered || isForged(message.payload), `no request fits the response ${toHex(message.payload)}`);
  }
  return { pairs: used.size, keys: keys.size };
}

function viewOf(input: ContextParameters, context: SecurityContext): ContextParameters {
  return toHex(context.senderId) === toHex(input.senderId) ? input : mirrored(input);
}

const derived = new Map<string, SecurityContext>();

function derive(view: ContextParameters, idContext: Uint8Array | undefined): SecurityContext {
  const key = `${toHex(view.senderId)} ${idContext === undefined ? '-' : toHex(idContext)}`;
  let context = derived.get(key);
  if (context === undefined) {
    context = deriveContext(idContext === undefined ? view : { ...view, idContext });
    derived.set(key, context);
  }
  return context;
}

function unwrapped(kidContext: Uint8Array): Uint8Array | undefined {
  try {
    const id = decode(kidContext);
    return id instanceof Uint8Array ? id : undefined;
  } catch {
    return undefined;
  }
}

function opens(open: () => unknown): boolean {
  try {
    open();
    return true;
  } catch {
    return false;
  }
}

/** A client and a server on a wire that loses nothing, with renewable input parameters. */
export interface Ends {
  readonly client: Side;
  readonly server: Side;
  readonly renewable: RenewableContext;
  readonly atServer: RenewableContext;
  readonly seen: Request[];
  readonly wire: Wire;
  ask(payload?: string, code?: number, options?: readonly Option[]): Heard;
}

export function ends(options: RenewableOptions = {}, ofServer: RenewableOptions = {}): Ends {
  const client = new Side([]);
  const renewable = new RenewableContext(parameters, options);
  client.contexts.addRenewable(renewable);
  const server = new Side([]);
  const atServer = new RenewableContext(mirrored(parameters), ofServer);
  server.contexts.addRenewable(atServer);
  const seen: Request[] = [];
  const wire = new Wire(client.layer, server.layer, answering('ok', seen));
  return {
    client,
    server,
    renewable,
    atServer,
    seen,
    wire,
    ask: (payload = '', code = Method.POST, more = []) => ask(wire.requester, request(renewable, code, more, payload)),
  };
}

export function kidContextOf(message: Request | Response): Uint8Array | undefined {
  return decodeOscoreOption(findOption(message.options, OptionNumber.Oscore)!.value).kidContext;
}

/** What each heard first. */
export function heardCodes(heards: readonly Heard[]): (string | number | undefined)[] {
  return heards.map(({ responses, errors }) => errors[0]?.code ?? responses[0]?.response.code);
}

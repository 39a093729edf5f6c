import type { Handler, Peer, Reply, Request, Requester, Response, ResponseListener, SecurityAssociation } from '../../src/coap/layer.ts';
import { type Option, OptionNumber } from '../../src/coap/message/option.ts';
import { emptyBytes, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import type { ProtocolError } from '../../src/core/errors.ts';

export const server: Peer = { key: '10.0.0.1:5683', address: '10.0.0.1', port: 5683 };

export function peer(port: number): Peer {
  return { key: `10.0.0.2:${port}`, address: '10.0.0.2', port };
}

export function association(id: string): SecurityAssociation {
  return { kind: 'test', id, credential: undefined };
}

export function request(code: number, path: string, fields: Partial<Request> = {}): Request {
  const segments: Option[] = path.split('/').map((segment) => ({ number: OptionNumber.UriPath, value: utf8(segment) }));
  const options = [...segments, ...(fields.options ?? [])].sort((a, b) => a.number - b.number);
  return { code, payload: emptyBytes, peer: server, ...fields, options };
}

export function response(code: number, payload: string | Uint8Array = '', options: readonly Option[] = []): Response {
  return { code, options: [...options].sort((a, b) => a.number - b.number), payload: typeof payload === 'string' ? utf8(payload) : payload };
}

/** `n` bytes that differ from block to block. */
export function body(n: number, start = 0): Uint8Array {
  const bytes = new Uint8Array(n);
  for (let i = 0; i < n; i++) bytes[i] = start + i * 7 + (i >> 4);
  return bytes;
}

/** A Block option as RFC 7959, Section 3 writes it: NUM, M, size. */
export function block(number: number, num: number, more: number, size: number): Option {
  const value = num * 16 + more * 8 + (Math.log2(size) - 4);
  const hex = value === 0 ? '' : value.toString(16);
  const bytes = (hex.length % 2 === 0 ? hex : `0${hex}`).match(/../g) ?? [];
  return { number, value: Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 16)) };
}

export const block1 = (num: number, more: number, size: number): Option => block(OptionNumber.Block1, num, more, size);
export const block2 = (num: number, more: number, size: number): Option => block(OptionNumber.Block2, num, more, size);

function blockText(option: Option): string {
  let bits = 0;
  for (const byte of option.value) bits = bits * 256 + byte;
  return `${option.number === OptionNumber.Block1 ? 1 : 2}:${bits >>> 4}/${(bits >>> 3) & 1}/${16 << (bits & 7)}`;
}

/** Code and Block options in the notation of RFC 7959, Section 3: `2.31 1:0/1/16`. */
export function brief(message: Pick<Request | Response, 'code' | 'options'>): string {
  const code = `${message.code >>> 5}.${String(message.code & 31).padStart(2, '0')}`;
  const blocks = message.options.filter(({ number }) => number === OptionNumber.Block1 || number === OptionNumber.Block2);
  return [code, ...blocks.map(blockText).sort()].join(' ');
}

export function option(message: Pick<Request | Response, 'options'>, number: number): string | undefined {
  const found = message.options.find((other) => other.number === number);
  return found === undefined ? undefined : toHex(found.value);
}

export function text(message: { readonly payload: Uint8Array }): string {
  return fromUtf8(message.payload);
}

/** Hears what comes back. */
export class Listener implements ResponseListener {
  readonly responses: Response[] = [];
  readonly lasts: boolean[] = [];
  readonly errors: ProtocolError[] = [];

  get only(): Response {
    if (this.responses.length !== 1 || this.errors.length !== 0) {
      throw new Error(`expected one response, got ${this.responses.length} and errors ${this.errors.map((error) => error.code)}`);
    }
    return this.responses[0]!;
  }

  response(response: Response, last: boolean): void {
    this.responses.push(response);
    this.lasts.push(last);
  }

  error(error: ProtocolError): void {
    this.errors.push(error);
  }
}

/** The end of an exchange at which the handler writes. */
export class TestReply implements Reply {
  readonly sent: Response[] = [];
  readonly finals: boolean[] = [];
  readonly #tasks: (() => void)[] = [];
  readonly #deliver: (response: Response, last: boolean) => void;
  over = false;

  constructor(deliver: (response: Response, last: boolean) => void = () => {}) {
    this.#deliver = deliver;
  }

  get last(): Response {
    return this.sent[this.sent.length - 1]!;
  }

  respond(response: Response): void {
    if (this.over) return;
    this.over = true;
    this.sent.push(response);
    this.finals.push(true);
    this.#deliver(response, true);
  }

  notify(response: Response): void {
    if (this.over) return;
    this.sent.push(response);
    this.finals.push(false);
    this.#deliver(response, false);
  }

  onCancel(task: () => void): void {
    this.#tasks.push(task);
  }

  cancel(): void {
    if (this.over) return;
    this.over = true;
    for (const task of this.#tasks) task();
  }
}

/** Run a handler once. */
export function ask(handler: Handler, message: Request): TestReply {
  const reply = new TestReply();
  handler(message, reply);
  return reply;
}

/** A wire that loses nothing: requests go straight to a handler; all that passes is written down. */
export class Wire {
  readonly requests: Request[] = [];
  readonly replies: TestReply[] = [];
  readonly log: string[] = [];
  cancelled = 0;
  handler: Handler;
  /** Where the requests seem to come from. */
  client: Peer = peer(1);

  constructor(handler: Handler) {
    this.handler = handler;
  }

  readonly requester: Requester = (message, listener) => {
    this.requests.push(message);
    this.log.push(brief(message));
    let open = true;
    const protection = message.association === undefined ? {} : { association: message.association };
    const reply = new TestReply((answer, last) => {
      this.log.push(`  ${brief(answer)}`);
      if (!open) return;
      if (last) open = false;
      listener.response({ ...protection, ...answer, peer: server }, last);
    });
    this.replies.push(reply);
    this.handler({ ...message, peer: this.client }, reply);
    return () => {
      if (!open) return;
      open = false;
      this.cancelled++;
      reply.cancel();
    };
  };
}

import { BytesError, emptyBytes, fromUtf8 } from '../../core/bytes.ts';
import type { CborValue } from '../../core/cbor.ts';
import { CoapError } from '../errors.ts';
import type { Handler, Peer, Reply, Request, Response, SecurityAssociation } from '../layer.ts';
import { copyOptions } from '../message/cache-key.ts';
import { Code, codeClass, Method } from '../message/code.ts';
import { findOption, type Option, OptionNumber, queryOf, uintOf, uintOption } from '../message/option.ts';
import { cborOf, jsonOf } from '../message/payload.ts';
import { afterwards, codeResponse, conditionHolds, inAcceptedFormat, responseOf } from './answer.ts';
import type { Answer } from './answer-fields.ts';

/**
 * Answers one method of a resource. What it throws becomes a 5.00, and `emit` hears of it; what `text()`, `json()` and `cbor()` throw is the fault of the client,
 * and becomes a 4.00.
 */
export type ResourceFunction = (request: ResourceRequest) => Answer | Promise<Answer>;

/** What /.well-known/core says of a resource (RFC 6690, Section 3; RFC 7641, Section 6). */
export interface ResourceAttributes {
  readonly rt?: string | readonly string[];
  readonly if?: string | readonly string[];
  /** Content-Formats that GET gives. An Accept option that names none of them is answered with 4.06. */
  readonly ct?: number | readonly number[];
  readonly title?: string;
  readonly sz?: number;
  readonly obs?: boolean;
}

/** What is behind a path: a function for each method, and what holds for all of them. A method without a function is answered with 4.05. */
export interface Resource {
  /** Safe: it changes nothing. Its answer may be cached for Max-Age (RFC 7252, Section 5.8.1). */
  readonly get?: ResourceFunction;
  /** Idempotent (RFC 7252, Section 5.8.3). */
  readonly put?: ResourceFunction;
  /** Neither safe nor idempotent (RFC 7252, Section 5.8.2). */
  readonly post?: ResourceFunction;
  /** Idempotent (RFC 7252, Section 5.8.4). */
  readonly delete?: ResourceFunction;
  /** Safe; the payload says what is asked for (RFC 8132, Section 2). */
  readonly fetch?: ResourceFunction;
  /** Not idempotent (RFC 8132, Section 3). */
  readonly patch?: ResourceFunction;
  /** Idempotent (RFC 8132, Section 3). */
  readonly ipatch?: ResourceFunction;
  /** Takes every request for the path as it is, in place of the functions: methods, conditions, formats and observation are its own business. */
  readonly handler?: Handler;
  /** GET and FETCH may register observers, which `changed()` notifies. */
  readonly observable?: boolean;
  readonly attributes?: ResourceAttributes;
  /** Content-Formats that requests may carry; another one is answered with 4.15. Absent: any. */
  readonly accepts?: readonly number[];
  /** Listed in /.well-known/core. Default true; subtrees never are. */
  readonly discoverable?: boolean;
  /** Answers requests that came by multicast too (RFC 7252, Section 11.3). Default false: nothing is sent, whatever they ask for. */
  readonly multicast?: boolean;
}

/** A request as a resource function sees it. Its bytes are borrowed. */
export class ResourceRequest {
  readonly request: Request;
  readonly method: number;
  /** The path as it stands in a URI: `/files/a%20b`. */
  readonly path: string;

  constructor(request: Request, method: number, path: string) {
    this.request = request;
    this.method = method;
    this.path = path;
  }

  /** The body: below an endpoint it is put together of its blocks. */
  get payload(): Uint8Array {
    return this.request.payload;
  }

  /** In the order of their numbers. */
  get options(): readonly Option[] {
    return this.request.options;
  }

  /** Whom the request came from: for OSCORE through a proxy, the proxy. */
  get peer(): Peer {
    return this.request.peer;
  }

  /** What protected the request. Absent: nothing did. */
  get association(): SecurityAssociation | undefined {
    return this.request.association;
  }

  /** The Uri-Query arguments. Uncaught, bad UTF-8 is answered with 4.00. */
  get query(): string[] {
    return queryOf(this.request.options);
  }

  /** The number of the payload's format. Absent: the request names none. */
  get contentFormat(): number | undefined {
    return uintOf(this.request.options, OptionNumber.ContentFormat);
  }

  /** The number of the format that is asked for. Absent: any. */
  get accept(): number | undefined {
    return uintOf(this.request.options, OptionNumber.Accept);
  }

  /**
   * The payload as text. Uncaught, the error is answered with 4.00.
   *
   * @throws {BytesError} `ERR_BYTES_UTF8`
   */
  text(): string {
    return fromUtf8(this.request.payload);
  }

  /**
   * The value that the payload holds as JSON. Uncaught, the error is answered with 4.00.
   *
   * @throws {CoapError} `ERR_COAP_PAYLOAD`
   * @throws {BytesError} `ERR_BYTES_UTF8`
   */
  json(): unknown {
    return jsonOf(this.text());
  }

  /**
   * The value that the payload holds as CBOR; maps are `Map`s. Uncaught, the error is answered with 4.00.
   *
   * @throws {CoapError} `ERR_COAP_PAYLOAD`
   */
  cbor(): CborValue {
    return cborOf(this.request.payload);
  }
}

/** The owner's grip on a resource. */
export interface ResourceHandle {
  readonly path: string;
  /** The state changed: every observer gets an answer to its own request anew. With `whom`: those whose request it picks, who alone see a change. */
  changed(whom?: (request: Request) => boolean): void;
  readonly observers: number;
  /** Take the resource away. Observers hear 4.04. */
  remove(): void;
}

/** A resource function threw. The peer heard 5.00 and nothing else. */
export interface RouterEvent {
  readonly type: 'failed';
  readonly method: number;
  readonly path: string;
  readonly error: unknown;
}

/** By the codes of the methods. */
function functionsOf({ get, post, put, delete: remove, fetch, patch, ipatch }: Resource): readonly (ResourceFunction | undefined)[] {
  return [undefined, get, post, put, remove, fetch, patch, ipatch];
}

/** Whether it answers at least one method: a program in JavaScript may have written `GET`, or the function alone. */
export function answersSomething(resource: Resource | undefined): boolean {
  return typeof resource === 'object' && [resource.handler, ...functionsOf(resource)].some((answer) => typeof answer === 'function');
}

/** One resource at its place in a router: runs its functions and keeps its observers. */
export class ResourceEntry implements ResourceHandle {
  readonly path: string;
  readonly resource: Resource;
  readonly #subtree: boolean;
  readonly #functions: readonly (ResourceFunction | undefined)[];
  readonly #formats: readonly number[] | undefined;
  readonly #formatOptions: readonly Option[];
  readonly #observers = new Set<Observer>();
  readonly #emit: (event: RouterEvent) => void;
  readonly #removed: (entry: ResourceEntry) => void;

  constructor(path: string, resource: Resource, emit: (event: RouterEvent) => void, removed: (entry: ResourceEntry) => void) {
    this.path = path;
    this.resource = resource;
    this.#subtree = path.endsWith('/*');
    this.#functions = functionsOf(resource);
    const ct = resource.attributes?.ct;
    this.#formats = typeof ct === 'number' ? [ct] : ct;
    this.#formatOptions = this.#formats?.length === 1 ? [uintOption(OptionNumber.ContentFormat, this.#formats[0]!)] : [];
    this.#emit = emit;
    this.#removed = removed;
  }

  get observers(): number {
    return this.#observers.size;
  }

  changed(whom?: (request: Request) => boolean): void {
    for (const observer of [...this.#observers]) if (whom === undefined || whom(observer.request)) observer.run();
  }

  remove(): void {
    this.#removed(this);
    for (const observer of [...this.#observers]) observer.end(codeResponse(Code.NotFound));
  }

  handle(received: Request, reply: Reply, path: string): void {
    if (this.resource.handler !== undefined) {
      this.resource.handler(received, reply);
      return;
    }
    const { code } = received;
    // RFC 7252 §5.5: a payload that the method does not define is ignored.
    const request = received.payload.length !== 0 && (code === Method.GET || code === Method.DELETE) ? { ...received, payload: emptyBytes } : received;
    const run = this.#functions[code];
    if (run === undefined) {
      reply.respond(codeResponse(Code.MethodNotAllowed));
      return;
    }
    let accept = false;
    let observe = false;
    let conditional = false;
    for (const { number } of request.options) {
      if (number === OptionNumber.Accept) accept = true;
      else if (number === OptionNumber.Observe) observe = true;
      else if (number === OptionNumber.IfMatch || number === OptionNumber.IfNoneMatch) conditional = true;
    }
    if (this.resource.accepts !== undefined && request.payload.length !== 0) {
      const format = uintOf(request.options, OptionNumber.ContentFormat);
      // RFC 8132 §2.3.1: a FETCH says what it asks in.
      if (format === undefined ? code === Method.FETCH : !this.resource.accepts.includes(format)) {
        reply.respond(codeResponse(Code.UnsupportedContentFormat));
        return;
      }
    }
    const reads = code === Method.GET || code === Method.FETCH;
    if (accept && reads && this.#formats !== undefined && !this.#formats.includes(uintOf(request.options, OptionNumber.Accept) ?? -1)) {
      reply.respond(codeResponse(Code.NotAcceptable));
      return;
    }
    if (observe && reads && this.resource.observable === true && uintOf(request.options, OptionNumber.Observe) === 0) {
      new Observer(this, this.#observers, request, reply, path).run();
    } else if (conditional && code !== Method.GET) {
      this.#whenConditionHolds(request, path, reply, () => this.answer(request, path, run, (response) => reply.respond(response)));
    } else {
      this.answer(request, path, run, (response) => reply.respond(response));
    }
  }

  /** Run a function of the resource, for good or bad, and make a response of what it gives. */
  answer(request: Request, path: string, run: ResourceFunction, done: (response: Response) => void): void {
    let answer: Answer | Promise<Answer>;
    try {
      answer = run.call(this.resource, new ResourceRequest(request, request.code, path));
    } catch (error) {
      done(this.#failed(request, path, error));
      return;
    }
    if (isPromise(answer)) {
      answer.then(
        (value) => done(this.#responseOf(request, path, value)),
        (error: unknown) => done(this.#failed(request, path, error)),
      );
    } else {
      done(this.#responseOf(request, path, answer));
    }
  }

  /** What an observer's request runs. */
  reader(code: number): ResourceFunction {
    return this.#functions[code]!;
  }

  #failed(request: Request, path: string, error: unknown): Response {
    // What the client wrote and only the function could read.
    if ((error instanceof BytesError && error.code === 'ERR_BYTES_UTF8') || (error instanceof CoapError && error.code === 'ERR_COAP_PAYLOAD'))
      return codeResponse(Code.BadRequest);
    this.#emit({ type: 'failed', method: request.code, path, error });
    return codeResponse(Code.InternalServerError);
  }

  #responseOf(request: Request, path: string, answer: Answer): Response {
    try {
      const response = responseOf(request.code, answer, this.#formatOptions);
      if (codeClass(response.code) !== 2) return inAcceptedFormat(request, response);
      return request.code === Method.GET || request.code === Method.FETCH ? afterwards(request, response) : response;
    } catch (error) {
      return this.#failed(request, path, error);
    }
  }

  /** RFC 7252 §5.10.8. What is now is asked of GET; a condition that cannot be shown to hold does not hold. */
  #whenConditionHolds(request: Request, path: string, reply: Reply, proceed: () => void): void {
    const decide = (exists: boolean | undefined, etag: Uint8Array | undefined): void => {
      if (conditionHolds(request.options, exists, etag)) proceed();
      else reply.respond(codeResponse(Code.PreconditionFailed));
    };
    const { get } = this.resource;
    if (get === undefined) {
      decide(this.#subtree ? undefined : true, undefined);
      return;
    }
    const options = request.options.filter(({ number }) => number === OptionNumber.UriPath || number === OptionNumber.UriQuery);
    this.answer({ ...request, code: Method.GET, options, payload: emptyBytes }, path, get, (now) => {
      const exists = codeClass(now.code) === 2 ? true : now.code === Code.NotFound ? false : undefined;
      decide(exists, findOption(now.options, OptionNumber.ETag)?.value);
    });
  }
}

/** One registration (RFC 7641): the observer's own request is run again for each change, and once more when changes came while it ran. */
class Observer {
  readonly #entry: ResourceEntry;
  readonly #all: Set<Observer>;
  readonly request: Request;
  readonly #reply: Reply;
  readonly #path: string;
  #format: number | undefined;
  #notified = false;
  #running = false;
  #dirty = false;
  #ended = false;

  constructor(entry: ResourceEntry, all: Set<Observer>, request: Request, reply: Reply, path: string) {
    this.#entry = entry;
    this.#all = all;
    this.request = { ...request, options: copyOptions(request.options), payload: request.payload.slice() };
    this.#reply = reply;
    this.#path = path;
    all.add(this);
    reply.onCancel(() => this.#stop());
  }

  run(): void {
    if (this.#running) {
      this.#dirty = true;
      return;
    }
    this.#running = true;
    this.#entry.answer(this.request, this.#path, this.#entry.reader(this.request.code), (response) => {
      this.#running = false;
      if (this.#ended) return;
      this.#notify(response);
      if (!this.#dirty || this.#ended) return;
      this.#dirty = false;
      this.run();
    });
  }

  end(response: Response): void {
    if (this.#ended) return;
    this.#stop();
    this.#reply.respond(response);
  }

  #notify(response: Response): void {
    if (codeClass(response.code) !== 2) {
      this.end(response);
      return;
    }
    if (response.code === Code.Content) {
      const format = uintOf(response.options, OptionNumber.ContentFormat);
      if (!this.#notified) this.#format = format;
      else if (format !== this.#format) {
        // RFC 7641 §4.2: the Content-Format stays what it was.
        this.end(codeResponse(Code.NotAcceptable));
        return;
      }
      this.#notified = true;
    }
    this.#reply.notify(response);
  }

  #stop(): void {
    this.#ended = true;
    this.#all.delete(this);
  }
}

function isPromise(answer: Answer | Promise<Answer>): answer is Promise<Answer> {
  return typeof answer === 'object' && typeof (answer as Promise<Answer> | null)?.then === 'function';
}

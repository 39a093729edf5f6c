import { Code, ContentFormat, OptionNumber, type ResourceHandle, Router, stringOption } from '../../src/coap/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';

/** How long /separate takes, in milliseconds: longer than an acknowledgement waits. */
const separateAfter = 700;

/** Text of exactly `length` bytes in which every eight bytes differ. */
export function text(length: number): string {
  return Array.from({ length: Math.ceil(length / 8) }, (_, line) => `${String(line).padStart(7, '0')}\n`)
    .join('')
    .slice(0, length);
}

/** The resources that the ETSI test descriptions ask of a server. */
export class Site {
  readonly router: Router;
  /** What the server displays: method, path and payload of each writing request, in order. */
  readonly displayed: string[] = [];
  readonly obs: ResourceHandle;
  readonly obsNon: ResourceHandle;
  readonly obsLarge: ResourceHandle;
  readonly obsPumping: ResourceHandle;
  /** Errors of the resource functions themselves. */
  readonly errors: unknown[] = [];
  /** What /obs holds. */
  value = { payload: 'first', contentFormat: ContentFormat.TextPlain as number };
  /** Seconds that /obs stays fresh. */
  maxAge: number | undefined;
  /** Bytes of /obs-pumping. */
  pumped = 10;
  largeUpdate = '';
  #ticks = 0;
  #version = 1;
  #validate = 'version 1';
  #created: string | undefined;
  readonly #made = new Map<string, string>();

  constructor() {
    const router = new Router({ emit: ({ error }) => this.errors.push(error) });
    this.router = router;
    this.#basic(router);
    this.#conditional(router);
    this.#large(router);
    this.#links(router);
    this.obs = router.resource('/obs', {
      get: () => (this.maxAge === undefined ? this.value : { ...this.value, maxAge: this.maxAge }),
      put: (request) => {
        this.value = { payload: request.text(), contentFormat: request.contentFormat ?? ContentFormat.TextPlain };
        this.obs.changed();
        return undefined;
      },
      delete: () => {
        this.obs.remove();
        return undefined;
      },
      observable: true,
    });
    this.obsNon = router.resource('/obs-non', { get: () => `tick ${this.#ticks++}`, observable: true });
    this.obsLarge = router.resource('/obs-large', { get: () => `${String(this.#ticks++).padStart(8, '0')}${text(1492)}`, observable: true });
    this.obsPumping = router.resource('/obs-pumping', { get: () => text(this.pumped), observable: true });
  }

  #show(method: string, path: string, payload: string): void {
    this.displayed.push(`${method} ${path} ${payload}`);
  }

  #basic(router: Router): void {
    router.resource('/test', {
      get: () => 'the test resource',
      put: (request) => {
        this.#show('PUT', request.path, request.text());
        return undefined;
      },
      post: (request) => {
        this.#show('POST', request.path, request.text());
        return { code: Code.Created, options: ['location1', 'location2', 'location3'].map((segment) => stringOption(OptionNumber.LocationPath, segment)) };
      },
      delete: (request) => {
        this.#show('DELETE', request.path, '');
        return undefined;
      },
    });
    router.resource('/separate', { get: () => new Promise((resolve) => systemEnv.schedule(separateAfter, () => resolve('at last'))) });
    router.resource('/seg1/seg2/seg3', { get: () => 'three segments' });
    router.resource('/query', { get: (request) => `query: ${request.query.join('&')}` });
    router.resource('/location-query', {
      post: (request) => {
        this.#show('POST', request.path, request.text());
        return { code: Code.Created, options: ['first=1', 'second=2'].map((argument) => stringOption(OptionNumber.LocationQuery, argument)) };
      },
    });
    router.resource('/multi-format', {
      get: (request) =>
        request.accept === ContentFormat.Xml
          ? { payload: '<text>two formats</text>', contentFormat: ContentFormat.Xml }
          : { payload: 'two formats', contentFormat: ContentFormat.TextPlain },
      attributes: { ct: [ContentFormat.TextPlain, ContentFormat.Xml] },
    });
  }

  #conditional(router: Router): void {
    router.resource('/validate', {
      get: () => ({ payload: this.#validate, etag: Uint8Array.of(this.#version) }),
      put: (request) => {
        this.#validate = request.text();
        this.#version++;
        return undefined;
      },
    });
    router.resource('/create1', {
      get: () => (this.#created === undefined ? { code: Code.NotFound } : this.#created),
      put: (request) => {
        const code = this.#created === undefined ? Code.Created : Code.Changed;
        this.#created = request.text();
        return { code };
      },
    });
  }

  #large(router: Router): void {
    router.resource('/large', { get: () => text(2500), attributes: { sz: 2500 } });
    router.resource('/large-update', {
      get: () => this.largeUpdate,
      put: (request) => {
        this.largeUpdate = request.text();
        return undefined;
      },
    });
    router.resource('/large-create', {
      post: (request) => {
        const name = String(this.#made.size + 1);
        this.#made.set(`/large-create/${name}`, request.text());
        return { code: Code.Created, options: ['large-create', name].map((segment) => stringOption(OptionNumber.LocationPath, segment)) };
      },
    });
    router.resource('/large-create/*', {
      get: (request) => this.#made.get(request.path) ?? { code: Code.NotFound },
    });
    router.resource('/large-post', { post: (request) => `${request.text()}${request.text()}` });
  }

  #links(router: Router): void {
    const get = (): string => 'a link';
    router.resource('/link1', { get, attributes: { rt: ['Type1', 'Type2'], if: 'If1' } });
    router.resource('/link2', { get, attributes: { rt: ['Type2', 'Type3'], if: 'If2' } });
    router.resource('/link3', { get, attributes: { rt: ['Type1', 'Type3'], if: 'foo' } });
    router.resource('/typeless', { get, attributes: { rt: '' } });
    router.resource('/path', { get: () => utf8('</path/sub1>,</path/sub2>'), attributes: { ct: ContentFormat.LinkFormat } });
    router.resource('/path/sub1', { get: () => '/path/sub1', discoverable: false });
    router.resource('/path/sub2', { get: () => '/path/sub2', discoverable: false });
  }
}

import { CoapError } from '../errors.ts';
import { type CoapUri, parseUri } from '../message/uri.ts';
import { HttpMappingError } from './message.ts';

/** Where a gateway is found, and how it has CoAP URIs packed into HTTP URIs. */
export interface UriMappingOptions {
  /** Path of the HC Proxy URI. Absent: `/hc/`. */
  readonly base?: string;
  /** The URI mapping template that follows it. Absent: `{+tu}`, the default mapping. */
  readonly template?: string;
  /** The scheme of target URIs without one. Absent: they are refused (RFC 8075, Section 5.3.1). */
  readonly defaultScheme?: string;
}

/** RFC 8075, Sections 5.4.1 and 5.4.2, as they stand in a request target. What two variables could both take is for the first of them. */
const variables: Readonly<Record<string, string>> = {
  tu: '([^#]+)',
  s: '([A-Za-z][A-Za-z0-9+.-]*)',
  hp: '([^/?#&]+)',
  p: '((?:/[^?#]*?)?)',
  q: '([^#]*)',
  qq: '((?:\\?[^#]*)?)',
};

/** The characters of a request target that a template may have around its variables (RFC 3986, Sections 3.3 and 3.4). */
const literal = /^[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*$/;

/**
 * How CoAP URIs are packed into HTTP URIs, and taken out of them again.
 *
 * ```ts
 * const mapping = new UriMapping();
 * mapping.targetOf('/hc/coap://s.example/light?on'); // { scheme: 'coap', host: 's.example', port: 5683, path: ['light'], query: ['on'] }
 * ```
 *
 * @see https://www.rfc-editor.org/rfc/rfc8075#section-5
 */
export class UriMapping {
  readonly base: string;
  readonly template: string;
  readonly #defaultScheme: string | undefined;
  /** Literals and names of variables in turn. */
  readonly #parts: readonly string[];
  readonly #names: readonly string[];
  readonly #pattern: RegExp;

  /** @throws {CoapError} `ERR_COAP_HTTP` for a template that is none */
  constructor({ base = '/hc/', template = '{+tu}', defaultScheme }: UriMappingOptions = {}) {
    this.base = base;
    this.template = template;
    this.#defaultScheme = defaultScheme;
    this.#parts = template.split(/\{\+([a-z]+)\}/);
    this.#names = this.#parts.filter((_, index) => index % 2 === 1);
    if (!/^\//.test(base) || !literal.test(base) || base.includes('?')) throw badTemplate('a base that is a path', base);
    if (this.#parts.some((part, index) => (index % 2 === 0 ? !literal.test(part) : variables[part] === undefined)))
      throw badTemplate('the variables {+tu}, or {+s}, {+hp}, {+p} and {+q} or {+qq}, between characters of a URI', template);
    if (!isWhole(this.#names)) throw badTemplate('{+tu} alone, or {+hp}, {+p} and {+q} or {+qq}, each once', template);
    const escaped = (text: string): string => text.replace(/[.*+?^$()|]/g, '\\$&');
    this.#pattern = new RegExp(`^${escaped(base)}${this.#parts.map((part, index) => (index % 2 === 0 ? escaped(part) : variables[part]!)).join('')}$`);
  }

  /**
   * The target CoAP URI of a request target. `undefined`: it does not start as they do, or ends there.
   *
   * @throws {HttpMappingError} 400 for one that does not fit the template, or has no CoAP URI in it
   */
  targetOf(url: string): CoapUri | undefined {
    const text = this.targetTextOf(url);
    return text === undefined ? undefined : targetUri(text);
  }

  /**
   * The same as it stands there, whatever it is: with the brackets of an IPv6 address (Section 5.3.2).
   *
   * @throws {HttpMappingError} 400 for one that does not fit the template
   */
  targetTextOf(url: string): string | undefined {
    const start = this.base + this.#parts[0];
    if (!url.startsWith(start) || url.length === start.length) return undefined;
    const match = this.#pattern.exec(url);
    if (match === null) throw new HttpMappingError(400, `expected ${this.base}${this.template}, got another request target`);
    const values = new Map(this.#names.map((name, index) => [name, match[index + 1]!]));
    const whole = values.get('tu');
    return withBrackets(withScheme(whole ?? putTogether(values), this.#defaultScheme));
  }

  /** The request target that stands for a CoAP URI in its normal form (RFC 8075, Section 5.3.2). */
  hostingOf(uri: string): string {
    const [, s = '', hp = '', p = '', qq = ''] = /^([a-z0-9+.-]+):\/\/([^/?]*)([^?]*)(.*)$/i.exec(uri) ?? [];
    const brackets = (text: string): string => text.replace('[', '%5B').replace(']', '%5D');
    const values: Readonly<Record<string, string>> = { tu: brackets(uri), s, hp: brackets(hp), p, q: qq.slice(1), qq };
    return this.base + this.#parts.map((part, index) => (index % 2 === 0 ? part : values[part]!)).join('');
  }
}

/**
 * The target of a request whose request line has a CoAP URI itself.
 *
 * @throws {HttpMappingError} 400
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-10.2
 */
export function targetUri(text: string): CoapUri {
  try {
    return parseUri(withBrackets(text));
  } catch (cause) {
    if (!(cause instanceof CoapError)) throw cause;
    throw new HttpMappingError(400, `expected the URI of a CoAP resource: ${cause.message}`, { cause });
  }
}

function withBrackets(text: string): string {
  return text.replace(/^([a-z0-9+.-]+:\/\/)%5B([^/?#]*)%5D/i, '$1[$2]');
}

function isWhole(names: readonly string[]): boolean {
  if (names.length === 1 && names[0] === 'tu') return true;
  const has = (name: string): boolean => names.includes(name);
  return new Set(names).size === names.length && !has('tu') && has('hp') && has('p') && has('q') !== has('qq');
}

function badTemplate(expected: string, got: string): CoapError {
  return new CoapError('ERR_COAP_HTTP', `expected ${expected}, got ${JSON.stringify(got)}`);
}

function putTogether(values: ReadonlyMap<string, string>): string {
  const scheme = values.get('s');
  const query = values.get('q') ?? '';
  return `${scheme === undefined ? '' : `${scheme}://`}${values.get('hp')}${values.get('p')}${query === '' ? (values.get('qq') ?? '') : `?${query}`}`;
}

function withScheme(text: string, defaultScheme: string | undefined): string {
  return defaultScheme === undefined || /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `${defaultScheme}://${text}`;
}

import { CoapError } from '../errors.ts';

/** One link of a document in CoRE Link Format. */
export interface Link {
  /** The URI-Reference between `<` and `>`. */
  readonly target: string;
  /** Link parameters in order; one without a value has `undefined`. */
  readonly attributes: readonly (readonly [name: string, value: string | undefined])[];
}

/** A link with attributes given as an object: `true` is a parameter without a value, a list is joined by spaces. */
export function link(target: string, attributes: Readonly<Record<string, string | number | boolean | readonly (string | number)[] | undefined>> = {}): Link {
  const list: [string, string | undefined][] = [];
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (value === true) list.push([name, undefined]);
    else list.push([name, typeof value === 'object' ? value.join(' ') : String(value)]);
  }
  return { target, attributes: list };
}

/** The first value of an attribute; `undefined` when it is absent or has none. */
export function attributeOf(target: Link, name: string): string | undefined {
  return target.attributes.find(([other]) => other === name)?.[1];
}

/**
 * A document in CoRE Link Format. Values that are not numbers are quoted.
 *
 * @throws {CoapError} `ERR_COAP_LINK_FORMAT` for a target or a name that the format cannot hold
 * @see https://www.rfc-editor.org/rfc/rfc6690#section-2
 */
export function encodeLinkFormat(links: readonly Link[]): string {
  return links.map(encodeLink).join(',');
}

function encodeLink({ target, attributes }: Link): string {
  if (target.includes('>')) throw new CoapError('ERR_COAP_LINK_FORMAT', `expected a URI-Reference, got one with ">" at ${target.indexOf('>')}`);
  let text = `<${target}>`;
  for (const [name, value] of attributes) {
    if (!isName(name)) throw new CoapError('ERR_COAP_LINK_FORMAT', `expected a parameter name, got ${JSON.stringify(name)}`);
    text += `;${name}`;
    if (value !== undefined) text += /^[0-9]+$/.test(value) ? `=${value}` : `="${value.replace(/["\\]/g, '\\$&')}"`;
  }
  return text;
}

/**
 * The links of a document in CoRE Link Format. Space and line ends around separators are passed over.
 *
 * @throws {CoapError} `ERR_COAP_LINK_FORMAT`
 * @see https://www.rfc-editor.org/rfc/rfc6690#section-2
 */
export function decodeLinkFormat(text: string): Link[] {
  const reader = new LinkReader(text);
  const links: Link[] = [];
  reader.space();
  while (!reader.end) {
    links.push(reader.link());
    reader.space();
    if (reader.end) break;
    reader.expect(',');
    reader.space();
    if (reader.end) reader.fail('a link');
  }
  return links;
}

/** Every step takes at least one character or throws, so that a document of n characters takes time in proportion to n. */
class LinkReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get end(): boolean {
    return this.#at >= this.#text.length;
  }

  space(): void {
    while (!this.end && ' \t\r\n'.includes(this.#text[this.#at]!)) this.#at++;
  }

  expect(character: string): void {
    if (this.#text[this.#at] !== character) this.fail(`"${character}"`);
    this.#at++;
  }

  link(): Link {
    this.expect('<');
    const close = this.#text.indexOf('>', this.#at);
    if (close < 0) this.fail('">" after a URI-Reference');
    const target = this.#text.slice(this.#at, close);
    this.#at = close + 1;
    const attributes: [string, string | undefined][] = [];
    let observable = false;
    for (;;) {
      this.space();
      if (this.#text[this.#at] !== ';') return { target, attributes };
      this.#at++;
      this.space();
      const [name, value] = this.#parameter();
      // RFC 7641 §6: a value of obs is ignored, and so is obs after the first.
      if (name !== 'obs') attributes.push([name, value]);
      else if (!observable) attributes.push([name, undefined]);
      observable ||= name === 'obs';
    }
  }

  fail(expected: string): never {
    const got = this.end ? 'the end' : JSON.stringify(this.#text[this.#at]);
    throw new CoapError('ERR_COAP_LINK_FORMAT', `expected ${expected} at character ${this.#at}, got ${got}`);
  }

  #parameter(): [string, string | undefined] {
    const start = this.#at;
    while (!this.end && isNameCharacter(this.#text.charCodeAt(this.#at))) this.#at++;
    if (this.#at === start) this.fail('a parameter name');
    const name = this.#text.slice(start, this.#at);
    if (this.#text[this.#at] !== '=') return [name, undefined];
    this.#at++;
    return [name, this.#text[this.#at] === '"' ? this.#quoted() : this.#token()];
  }

  #token(): string {
    const start = this.#at;
    while (!this.end && !',; \t\r\n"'.includes(this.#text[this.#at]!)) this.#at++;
    if (this.#at === start) this.fail('a value');
    return this.#text.slice(start, this.#at);
  }

  #quoted(): string {
    this.#at++;
    let value = '';
    let start = this.#at;
    for (;;) {
      if (this.end) this.fail('a closing quotation mark');
      const character = this.#text[this.#at]!;
      if (character === '"') break;
      if (character === '\\') {
        value += this.#text.slice(start, this.#at);
        this.#at++;
        if (this.end) this.fail('a character after "\\"');
        start = this.#at;
      }
      this.#at++;
    }
    value += this.#text.slice(start, this.#at);
    this.#at++;
    return value;
  }
}

/** parmname of RFC 5987, and the star of an extended one. */
function isNameCharacter(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) || "!#$&+-.^_`|~*%'".includes(String.fromCharCode(code))
  );
}

function isName(name: string): boolean {
  if (name.length === 0) return false;
  for (let i = 0; i < name.length; i++) if (!isNameCharacter(name.charCodeAt(i))) return false;
  return true;
}

/** Attributes that hold several values between spaces, each of which counts (RFC 6690, Section 4.1; `ct`: RFC 7252, Section 7.2.1). */
const multiple: ReadonlySet<string> = new Set(['rt', 'if', 'rel', 'rev', 'ct']);

/**
 * The links that match every filter of a query: `name=value`, where a value that ends in `*` is a prefix and the name `href` stands for the target.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6690#section-4.1
 */
export function filterLinks(links: readonly Link[], query: readonly string[]): Link[] {
  return links.filter((candidate) => query.every((filter) => matches(candidate, filter)));
}

function matches(candidate: Link, filter: string): boolean {
  const at = filter.indexOf('=');
  const name = at < 0 ? filter : filter.slice(0, at);
  const wanted = at < 0 ? '*' : filter.slice(at + 1);
  const prefix = wanted.endsWith('*') ? wanted.slice(0, -1) : undefined;
  const fits = (value: string): boolean => (prefix === undefined ? value === wanted : value.startsWith(prefix));
  if (name === 'href') return fits(candidate.target);
  for (const [other, value = ''] of candidate.attributes) {
    if (other !== name) continue;
    if (multiple.has(name) ? value.split(' ').some(fits) : fits(value)) return true;
  }
  return false;
}

import type { OutgoingHttpHeaders } from 'node:http';
import { fromUtf8, utf8 } from '../../../../../src/core/bytes.ts';
import type { EgressFinding, EgressRule } from './finding.ts';
import { type IsPublicNumber, isSubscriber, searchMembers, searchUri } from './identity-fields.ts';
import type { KnownImsis } from './known-imsis.ts';
import { searchBytes } from './search.ts';

/** Who must not be known outside, and which numbers may be. */
export interface Subscribers {
  readonly imsis: KnownImsis;
  readonly isPublicNumber: IsPublicNumber;
}

/** A message on its way out: an answer, or a notification with the URI that it goes to. */
export interface LeavingMessage {
  readonly uri?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body: Uint8Array;
}

/** What the filter tells of: where and why, never what. */
export interface EgressEvent extends EgressFinding {
  readonly type: 'egress-blocked';
  /** What was to leave: `response` or `notification`. */
  readonly message: string;
}

/** Whom the filter keeps inside, and who hears of it. */
export interface EgressFilterOptions {
  /** Those of now. */
  readonly subscribers: () => Promise<Subscribers>;
  /** Hears of what is withheld. */
  readonly emit?: (event: EgressEvent) => void;
}

/** Headers that Node and this program write, of which each value is known. */
const ownHeaders: ReadonlySet<string> = new Set(['content-length', 'date', 'connection', 'keep-alive']);
/** Bytes of the longest body that is looked through. */
const longestBody = 1_048_576;

/**
 * What no IMSI passes on its way out of the operator's domain (TS 33.187, 4.7): it looks at the URI, the headers and the body of each message, in whatever
 * encoding, whoever has made it.
 *
 * Blocked is each IMSI of a subscriber; what is named an IMSI or a SUPI; a SUCI by the null scheme, as a text or, of a network of a subscriber, in the form of NAS; a member `supi` or `imsi`; and, in members and URIs that name somebody, 14 or 15 digits
 * that are no telephone number of the registry. Payloads of devices are opaque, so of these it is the first two.
 */
export class EgressFilter {
  readonly #options: EgressFilterOptions;

  constructor(options: EgressFilterOptions) {
    this.#options = options;
  }

  /** Why the message may not leave; `undefined`: it may. */
  async check(message: string, leaving: LeavingMessage): Promise<EgressFinding | undefined> {
    const found = search(leaving, await this.#options.subscribers());
    return found === undefined ? undefined : this.block(message, found);
  }

  /** Let it be known that a message does not leave. */
  block(message: string, found: EgressFinding): EgressFinding {
    this.#options.emit?.({ type: 'egress-blocked', message, ...found });
    return found;
  }
}

function search({ uri, headers = {}, body }: LeavingMessage, { imsis, isPublicNumber }: Subscribers): EgressFinding | undefined {
  const inUri = uri === undefined ? undefined : (searchUri(uri, isPublicNumber) ?? searchBytes(utf8(uri), imsis));
  if (inUri !== undefined) return { part: 'uri', rule: inUri };
  const inHeaders = searchHeaders(headers, imsis, isPublicNumber);
  if (inHeaders !== undefined) return inHeaders;
  const inBody = searchBody(headers, body, imsis, isPublicNumber);
  return inBody === undefined ? undefined : { part: 'body', rule: inBody };
}

/** Each by what it names, then all of them together. */
function searchHeaders(headers: OutgoingHttpHeaders, imsis: KnownImsis, isPublicNumber: IsPublicNumber): EgressFinding | undefined {
  const lines: string[] = [];
  const parts: string[] = [];
  for (const [name, values] of Object.entries(headers)) {
    if (values === undefined || ownHeaders.has(name.toLowerCase())) continue;
    for (const value of [values].flat().map(String)) {
      if (isSubscriber(value, isPublicNumber) || searchUri(value, isPublicNumber) !== undefined) return { part: name.toLowerCase(), rule: 'identity-digits' };
      lines.push(`${name}: ${value}`);
      parts.push(value);
    }
  }
  // Names may have digits of their own.
  const rule = searchBytes(utf8(lines.join('\n')), imsis) ?? searchBytes(utf8(parts.join('\n')), imsis);
  return rule === undefined ? undefined : { part: 'headers', rule };
}

function searchBody(headers: OutgoingHttpHeaders, body: Uint8Array, imsis: KnownImsis, isPublicNumber: IsPublicNumber): EgressRule | undefined {
  const coding = headers['content-encoding'];
  if (body.length > longestBody || (coding !== undefined && coding !== 'identity' && body.length > 0)) return 'unreadable';
  return searchMembers(jsonOf(body), isPublicNumber) ?? searchBytes(body, imsis);
}

/** `undefined`: the body is no JSON, and is looked through as bytes alone. */
function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(body));
  } catch {
    return undefined;
  }
}

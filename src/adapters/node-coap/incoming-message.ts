import { Readable } from 'node:stream';
import { formatCode, OptionNumber, type Request, type SecurityAssociation } from '../../coap/index.ts';
import { fromUtf8 } from '../../core/bytes.ts';
import { nameOf, readValue } from './options.ts';

/** Where a request came from, as a `dgram` socket would tell. */
export interface RemoteInfo {
  readonly address: string;
  readonly family: 'IPv4' | 'IPv6';
  readonly port: number;
  readonly size: number;
}

/** What could be taken for the structure of a URL is written as percent signs and digits, so that no segment passes for two and no path has a query. */
function escaped(value: Uint8Array, structure: RegExp): string {
  return fromUtf8(value).replace(structure, encodeURIComponent);
}

const methods: readonly (string | undefined)[] = [undefined, 'GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'iPATCH'];

/** A request as a listener of node-coap reads it: a stream of its body, and fields with the names and the types that node-coap has for them. */
export class IncomingMessage extends Readable {
  readonly code: string;
  readonly method: string | undefined;
  /** Path and query: `/a/b?x=1`. */
  readonly url: string;
  readonly payload: Buffer;
  readonly options: readonly { readonly name: string; readonly value: unknown }[];
  /** The options whose values are no bytes; the last of a name. */
  readonly headers: Readonly<Record<string, unknown>>;
  readonly rsinfo: RemoteInfo;
  readonly outSocket: undefined;
  /** What protects the request. node-coap knows of no such thing. */
  readonly association: SecurityAssociation | undefined;

  /** @throws {BytesError} `ERR_BYTES_UTF8` for a path or a query that is no text */
  constructor(request: Request) {
    super();
    const { code, options, payload, peer } = request;
    this.code = formatCode(code);
    this.method = methods[code];
    // Programs keep it as long as they like, and requests are borrowed.
    this.payload = Buffer.from(payload);
    this.rsinfo = { address: peer.address, family: peer.address.includes(':') ? 'IPv6' : 'IPv4', port: peer.port, size: payload.length };
    this.association = request.association;
    const headers: Record<string, unknown> = {};
    let path = '';
    let query = '';
    this.options = options.map(({ number, value }) => {
      if (number === OptionNumber.UriPath) path += `/${escaped(value, /[/?#]/g)}`;
      else if (number === OptionNumber.UriQuery) query += `${query === '' ? '?' : '&'}${escaped(value, /[&#]/g)}`;
      const name = nameOf(number);
      const read = readValue(name, Buffer.from(value));
      if (read !== null && read !== undefined && !Buffer.isBuffer(read)) headers[name] = read;
      return { name, value: read };
    });
    if (headers['Content-Format'] !== undefined) headers['Content-Type'] = headers['Content-Format'];
    this.headers = headers;
    this.url = `${path === '' ? '/' : path}${query}`;
  }

  /** Of node:stream. */
  override _read(): void {
    if (this.payload.length > 0) this.push(this.payload);
    this.push(null);
  }
}

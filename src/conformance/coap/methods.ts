import { Code, decodeLinkFormat, type Message, MessageType, Method, OptionNumber, uintOf } from '../../coap/index.ts';
import { fromUtf8, toHex, utf8 } from '../../core/bytes.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { describe } from '../datagram-line.ts';
import { Nonconformity, NotApplicable } from '../errors.ts';
import { expectCode, readBy } from '../expect.ts';
import { expectClientError, expectSuccess } from '../expect-message.ts';
import type { OfferedRequest } from '../target.ts';
import { download } from './blocks.ts';

const rfc7252 = { standard: 'RFC 7252', level: 'MUST', needs: ['udp'] } as const;
const rfc6690 = { standard: 'RFC 6690', level: 'MUST', needs: ['udp'] } as const;
const rfc8132 = { standard: 'RFC 8132', level: 'MUST' } as const;

const linkFormat = 40;

/** The links of /.well-known/core, and the text that they stand in. */
async function discover(bench: Bench, query = ''): Promise<{ readonly text: string; readonly hrefs: readonly string[] }> {
  const { answer, body } = await download(bench, `/.well-known/core${query}`);
  if (answer.code !== Code.Content) throw new NotApplicable(`/.well-known/core gives ${describe(answer)}`);
  const text = readBy(() => fromUtf8(body), 'links as text of UTF-8');
  try {
    return { text, hrefs: decodeLinkFormat(text).map(({ target }) => target) };
  } catch (error) {
    throw new Nonconformity('links as RFC 6690, Section 2 writes them', `${JSON.stringify(text)} (${(error as Error).message})`);
  }
}

/** A request that the target is said to answer by a success does not succeed once something is wrong with it. */
async function isRefused(bench: Bench, code: number, { path, payload }: OfferedRequest, contentFormat: number): Promise<void> {
  const line = await bench.udp();
  expectClientError(await line.ask(bench.request(path, { code, payload, contentFormat })));
}

/** A request succeeds. */
async function succeeds(bench: Bench, code: number, { path, payload, contentFormat }: OfferedRequest, ...codes: readonly Code[]): Promise<void> {
  const line = await bench.udp();
  expectCode(await line.ask(bench.request(path, { code, payload, ...(contentFormat === undefined ? {} : { contentFormat }) })), ...codes);
}

/** Methods and response codes (RFC 7252, Sections 5.8 and 5.9), discovery (RFC 6690), and FETCH, PATCH and iPATCH (RFC 8132). */
export const methodCases: readonly ConformanceCase[] = [
  {
    ...rfc7252,
    id: 'coap-req-01',
    section: '5.8',
    needs: ['udp', 'get'],
    title: 'an unrecognized method leads to 4.05 (Method Not Allowed) in the Acknowledgement',
    async run(bench) {
      const line = await bench.udp();
      const answer = await line.ask(bench.request(bench.somePath, { code: 31 }));
      expectCode(answer, Code.MethodNotAllowed);
      if (answer.type !== MessageType.ACK) throw new Nonconformity('a piggybacked response', describe(answer));
    },
  },
  {
    ...rfc7252,
    id: 'coap-req-02',
    section: '5.9.2.5',
    level: 'SHOULD',
    title: 'GET of a path that is not there gives 4.04 (Not Found)',
    async run(bench) {
      const line = await bench.udp();
      const answer = await line.ask(bench.request(`/nothing-${toHex(bench.token())}`));
      // A server that protects all it has says so for what it has not.
      if (answer.code === Code.Unauthorized) throw new NotApplicable('the target answers 4.01 for unknown paths');
      expectCode(answer, Code.NotFound);
    },
  },
  {
    ...rfc7252,
    id: 'coap-req-03',
    section: '5.8.1',
    needs: ['udp', 'get'],
    title: 'GET of a resource gives 2.05 (Content)',
    async run(bench) {
      const line = await bench.udp();
      expectCode(await line.ask(bench.request(bench.somePath)), Code.Content);
    },
  },
  {
    ...rfc7252,
    id: 'coap-req-04',
    section: '5.8.3',
    level: 'SHOULD',
    needs: ['udp', 'put'],
    title: 'PUT to a resource that exists gives 2.04 (Changed), and GET gives what was put',
    async run(bench) {
      const line = await bench.udp();
      const path = bench.target.resources!.put!;
      const put = async (text: string): Promise<Message> => {
        const answer = await line.ask(bench.request(path, { code: Method.PUT, payload: utf8(text), contentFormat: 0 }));
        expectSuccess(answer, 'PUT');
        return answer;
      };
      await put('a');
      const second = await put('b');
      const { payload } = await line.ask(bench.request(path));
      if (toHex(payload) !== toHex(utf8('b'))) throw new Nonconformity('the representation that was put', toHex(payload));
      expectCode(second, Code.Changed);
    },
  },
  {
    ...rfc7252,
    id: 'disc-01',
    section: '7.2',
    level: 'SHOULD',
    title: '/.well-known/core is there: an endpoint supports the CoRE Link Format of discoverable resources',
    async run(bench) {
      const line = await bench.udp();
      expectCode(await line.ask(bench.request('/.well-known/core')), Code.Content);
    },
  },
  {
    ...rfc6690,
    id: 'disc-02',
    section: '2',
    title: 'what /.well-known/core gives is in the CoRE Link Format, and has Content-Format 40',
    async run(bench) {
      const line = await bench.udp();
      const { code, options } = await line.ask(bench.request('/.well-known/core'));
      await discover(bench);
      const format = uintOf(options, OptionNumber.ContentFormat);
      if (code === Code.Content && format !== linkFormat) throw new Nonconformity('Content-Format 40', format === undefined ? 'none' : String(format));
    },
  },
  {
    ...rfc6690,
    id: 'disc-03',
    section: '4.1',
    title: 'a filter gives the links that match it, or, where filtering is not supported, the whole resource',
    async run(bench) {
      const { text, hrefs } = await discover(bench);
      const [href] = hrefs;
      if (href === undefined) throw new NotApplicable('/.well-known/core has no link');
      const filtered = await discover(bench, `?href=${encodeURIComponent(href)}`);
      if (filtered.text === text) return;
      if (filtered.hrefs.some((one) => one !== href)) throw new Nonconformity(`links to ${href} alone, or all`, filtered.hrefs.join(', '));
      if (!filtered.hrefs.includes(href)) throw new Nonconformity(`the link to ${href}`, 'none');
    },
  },
  {
    ...rfc8132,
    id: 'fetch-01',
    section: '2.1',
    needs: ['udp', 'fetch'],
    title: 'FETCH gives 2.05 (Content)',
    run: (bench) => succeeds(bench, Method.FETCH, bench.target.resources!.fetch!, Code.Content),
  },
  {
    ...rfc8132,
    id: 'fetch-02',
    section: '2.2',
    level: 'SHOULD',
    needs: ['udp', 'fetch'],
    title: 'FETCH with a Content-Format that the resource does not take is refused',
    run: (bench) => isRefused(bench, Method.FETCH, bench.target.resources!.fetch!, 65_000),
  },
  {
    ...rfc8132,
    id: 'patch-01',
    section: '3',
    needs: ['udp', 'patch'],
    title: 'PATCH gives 2.04 (Changed), or 2.01 (Created)',
    run: (bench) => succeeds(bench, Method.PATCH, bench.target.resources!.patch!, Code.Changed, Code.Created),
  },
  {
    ...rfc8132,
    id: 'patch-02',
    section: '3',
    needs: ['udp', 'patch'],
    title: 'PATCH in a format that the resource does not take is refused: a server makes sure that the body suits the resource',
    run: (bench) => isRefused(bench, Method.PATCH, bench.target.resources!.patch!, 65_000),
  },
  {
    ...rfc8132,
    id: 'patch-03',
    section: '3',
    needs: ['udp', 'ipatch'],
    title: 'iPATCH gives 2.04 (Changed), or 2.01 (Created), once and again',
    async run(bench) {
      for (let times = 0; times < 2; times++) await succeeds(bench, Method.iPATCH, bench.target.resources!.ipatch!, Code.Changed, Code.Created);
    },
  },
];

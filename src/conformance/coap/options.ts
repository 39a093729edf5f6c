import { Code, MessageType, Method, type Option, OptionNumber, opaqueOption, parseUri, stringOption, uintOption } from '../../coap/index.ts';
import { toHex, utf8 } from '../../core/bytes.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { describe } from '../datagram-line.ts';
import { Nonconformity, NotApplicable } from '../errors.ts';
import { expectCode } from '../expect.ts';
import { expectRejection } from '../expect-message.ts';

const rfc7252 = { standard: 'RFC 7252', level: 'MUST', needs: ['udp'] } as const;

/** Of the range for experiments (RFC 7252, Section 12.2): nobody understands them. */
const unknownCritical = 65_009;
const unknownElective = 65_008;

/** What a server that knows none of a client's options in a request answers: 4.02, with the request as it stands otherwise. */
async function isBadOption(bench: Bench, ...options: readonly Option[]): Promise<void> {
  const line = await bench.udp();
  expectCode(await line.ask(bench.request(bench.somePath, { options })), Code.BadOption);
}

/** The options make no difference to the code of the response. */
async function makesNoDifference(bench: Bench, ...options: readonly Option[]): Promise<void> {
  const line = await bench.udp();
  const without = await line.ask(bench.request(bench.somePath));
  const answer = await line.ask(bench.request(bench.somePath, { options }));
  if (answer.code !== without.code) throw new Nonconformity(`the response as without the option, ${describe(without)}`, describe(answer));
}

const anyBytes = (length: number): Uint8Array => new Uint8Array(length).fill(1);

/** What a server makes of options (RFC 7252, Sections 5.4 and 5.10). */
export const optionCases: readonly ConformanceCase[] = [
  {
    ...rfc7252,
    id: 'coap-opt-01',
    section: '5.4.1',
    title: 'an unrecognized critical option in a Confirmable request leads to 4.02 (Bad Option)',
    run: (bench) => isBadOption(bench, opaqueOption(unknownCritical, anyBytes(1))),
  },
  {
    ...rfc7252,
    id: 'coap-opt-02',
    section: '5.4.1',
    level: 'SHOULD',
    title: 'that 4.02 has a diagnostic payload',
    async run(bench) {
      const line = await bench.udp();
      const answer = await line.ask(bench.request(bench.somePath, { options: [opaqueOption(unknownCritical, anyBytes(1))] }));
      if (answer.code !== Code.BadOption) throw new NotApplicable('the answer is no 4.02');
      if (answer.payload.length === 0) throw new Nonconformity('a payload that names the option', 'no payload');
    },
  },
  {
    ...rfc7252,
    id: 'coap-opt-03',
    section: '5.4.1',
    title: 'a Non-confirmable request with an unrecognized critical option is rejected: at most a Reset comes',
    async run(bench) {
      const line = await bench.udp();
      const request = bench.request(bench.somePath, { type: MessageType.NON, options: [opaqueOption(unknownCritical, anyBytes(1))] });
      line.send(request);
      await expectRejection(line, request.id);
    },
  },
  {
    ...rfc7252,
    id: 'coap-opt-04',
    section: '5.4.1',
    title: 'an unrecognized elective option is ignored',
    run: (bench) => makesNoDifference(bench, opaqueOption(unknownElective, anyBytes(4))),
  },
  {
    ...rfc7252,
    id: 'coap-opt-05',
    section: '5.4.3',
    title: 'a critical option whose length its definition excludes is treated like an unrecognized one: Uri-Port of 3 bytes leads to 4.02',
    run: (bench) => isBadOption(bench, opaqueOption(OptionNumber.UriPort, anyBytes(3))),
  },
  {
    ...rfc7252,
    id: 'coap-opt-06',
    section: '5.4.3',
    title: 'Accept of 3 bytes, a length that its definition excludes, leads to 4.02',
    run: (bench) => isBadOption(bench, opaqueOption(OptionNumber.Accept, anyBytes(3))),
  },
  {
    ...rfc7252,
    id: 'coap-opt-07',
    section: '5.4.3',
    title: 'an elective option whose length its definition excludes is ignored: ETag of 9 bytes',
    run: (bench) => makesNoDifference(bench, opaqueOption(OptionNumber.ETag, anyBytes(9))),
  },
  {
    ...rfc7252,
    id: 'coap-opt-08',
    section: '5.4.5',
    title: 'a second occurrence of a critical option that may stand once is treated like an unrecognized one: two of Accept lead to 4.02',
    async run(bench) {
      // The first is what the target has, so that nothing but the second can be refused.
      const line = await bench.udp();
      const { options } = await line.ask(bench.request(bench.somePath));
      const format = options.find(({ number }) => number === OptionNumber.ContentFormat);
      const accept = opaqueOption(OptionNumber.Accept, format?.value ?? new Uint8Array(0));
      if ((await line.ask(bench.request(bench.somePath, { options: [accept] }))).code === Code.BadOption)
        throw new NotApplicable('the target does not recognize Accept');
      expectCode(await line.ask(bench.request(bench.somePath, { options: [accept, accept] })), Code.BadOption);
    },
  },
  {
    ...rfc7252,
    id: 'coap-opt-09',
    section: '5.10.1',
    needs: ['udp', 'get'],
    title: 'Uri-Host and Uri-Port with the values that they have by default change nothing',
    async run(bench) {
      const { host, port } = parseUri(bench.target.coap!);
      const literal = host.includes(':') ? `[${host}]` : host;
      await makesNoDifference(bench, stringOption(OptionNumber.UriHost, literal), uintOption(OptionNumber.UriPort, port));
    },
  },
  {
    ...rfc7252,
    id: 'coap-opt-10',
    section: '5.10.2',
    title: 'Proxy-Uri at a server that is no forward proxy leads to 5.05 (Proxying Not Supported)',
    async run(bench) {
      const line = await bench.udp();
      const request = bench.request('/', { options: [stringOption(OptionNumber.ProxyUri, 'coap://elsewhere.invalid/')] });
      isNoProxy(await line.ask({ ...request, options: request.options.filter(({ number }) => number === OptionNumber.ProxyUri) }));
    },
  },
  {
    ...rfc7252,
    id: 'coap-opt-11',
    section: '5.10.2',
    title: 'Proxy-Scheme at a server that is no forward proxy leads to 5.05 (Proxying Not Supported)',
    async run(bench) {
      const line = await bench.udp();
      const options = [stringOption(OptionNumber.UriHost, 'elsewhere.invalid'), stringOption(OptionNumber.ProxyScheme, 'coap')];
      isNoProxy(await line.ask(bench.request(bench.somePath, { options })));
    },
  },
  {
    ...rfc7252,
    id: 'coap-opt-12',
    section: '5.10.4',
    needs: ['udp', 'get'],
    title: 'Accept of a Content-Format that the resource does not have leads to 4.06 (Not Acceptable)',
    async run(bench) {
      const line = await bench.udp();
      const answer = await line.ask(bench.request(bench.somePath, { options: [uintOption(OptionNumber.Accept, 65_000)] }));
      if (answer.code === Code.BadOption) throw new NotApplicable('the target does not recognize Accept');
      expectCode(answer, Code.NotAcceptable);
    },
  },
  {
    ...rfc7252,
    id: 'coap-opt-13',
    section: '5.10.8.2',
    needs: ['udp', 'put'],
    title: 'If-None-Match at a resource that exists leads to 4.12 (Precondition Failed), and the resource stays as it is',
    run: (bench) => isPrecondition(bench, opaqueOption(OptionNumber.IfNoneMatch, anyBytes(0))),
  },
  {
    ...rfc7252,
    id: 'coap-opt-14',
    section: '5.10.8.1',
    needs: ['udp', 'put'],
    title: 'If-Match with an entity-tag that the resource does not have leads to 4.12 (Precondition Failed), and the resource stays as it is',
    run: (bench) => isPrecondition(bench, opaqueOption(OptionNumber.IfMatch, bench.token(8))),
  },
  {
    ...rfc7252,
    id: 'coap-opt-15',
    section: '5.9.1.3',
    needs: ['udp', 'etag'],
    title: 'a 2.03 (Valid) has an ETag that the request had, and no payload',
    async run(bench) {
      const line = await bench.udp();
      const path = bench.target.resources!.etag!;
      const etag = (await line.ask(bench.request(path))).options.find(({ number }) => number === OptionNumber.ETag);
      if (etag === undefined) throw new NotApplicable('the response has no ETag');
      const answer = await line.ask(bench.request(path, { options: [etag] }));
      if (answer.code === Code.Content) throw new NotApplicable('the target does not validate, which it need not');
      expectCode(answer, Code.Valid);
      const valid = answer.options.find(({ number }) => number === OptionNumber.ETag);
      if (valid === undefined || toHex(valid.value) !== toHex(etag.value))
        throw new Nonconformity(`the ETag ${toHex(etag.value)}`, valid === undefined ? 'none' : toHex(valid.value));
      if (answer.payload.length > 0) throw new Nonconformity('no payload', `${answer.payload.length} bytes`);
    },
  },
  {
    ...rfc7252,
    id: 'coap-opt-16',
    section: '5.4.1',
    title: 'a response has no option that is defined for requests alone',
    async run(bench) {
      const line = await bench.udp();
      const { options } = await line.ask(bench.request(bench.somePath));
      const bad = options.find(({ number }) => (ofRequests as readonly number[]).includes(number));
      if (bad !== undefined) throw new Nonconformity('options that are defined for responses', `option ${bad.number}`);
    },
  },
  {
    standard: 'RFC 9175',
    id: 'echo-01',
    section: '2.3',
    level: 'MUST',
    needs: ['udp'],
    title: 'Echo, an elective option, is no reason to refuse a request that needs no freshness',
    run: (bench) => makesNoDifference(bench, opaqueOption(OptionNumber.Echo, bench.token(8))),
  },
];

const ofRequests = [
  OptionNumber.IfMatch,
  OptionNumber.UriHost,
  OptionNumber.IfNoneMatch,
  OptionNumber.UriPort,
  OptionNumber.UriPath,
  OptionNumber.UriQuery,
  OptionNumber.Accept,
  OptionNumber.ProxyUri,
  OptionNumber.ProxyScheme,
] as const;

const gatewayErrors: readonly number[] = [Code.BadGateway, Code.GatewayTimeout, Code.ServiceUnavailable];

/** @throws {NotApplicable} it seems to be one @throws {Nonconformity} it neither forwards nor says that it does not */
function isNoProxy(answer: { readonly type: MessageType; readonly code: number }): void {
  if (gatewayErrors.includes(answer.code)) throw new NotApplicable('the target seems to be a forward proxy');
  if (answer.code !== Code.ProxyingNotSupported) throw new Nonconformity('5.05 (Proxying Not Supported)', describe(answer));
}

/** A PUT under a condition that does not hold is refused, and does nothing. */
async function isPrecondition(bench: Bench, condition: Option): Promise<void> {
  const line = await bench.udp();
  const path = bench.target.resources!.put!;
  await line.ask(bench.request(path, { code: Method.PUT, payload: utf8('before'), contentFormat: 0 }));
  const answer = await line.ask(bench.request(path, { code: Method.PUT, payload: utf8('after'), contentFormat: 0, options: [condition] }));
  if (answer.code === Code.BadOption) throw new NotApplicable('the target does not recognize the option');
  expectCode(answer, Code.PreconditionFailed);
  const { payload } = await line.ask(bench.request(path));
  if (toHex(payload) === toHex(utf8('after'))) throw new Nonconformity('the resource as it was', 'what the refused PUT wrote');
}

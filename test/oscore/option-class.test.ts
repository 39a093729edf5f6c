import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  findAll,
  findOption,
  Method,
  type Option,
  OptionNumber,
  optionDefinition,
  optionName,
  type Request,
  type Response,
  sortOptions,
} from '../../src/coap/index.ts';
import { emptyBytes, fromHex, toHex } from '../../src/core/bytes.ts';
import {
  decodeOscoreOption,
  type OptionClass,
  optionClass,
  protectRequest,
  protectResponse,
  type SecurityContext,
  unprotectRequest,
  unprotectResponse,
} from '../../src/oscore/index.ts';
import { pair, request } from './support.ts';

/** Where an option of the original message travels. */
type Place = 'inner' | 'outer' | 'both' | 'refused';

interface Row {
  readonly number: number;
  /** A value that the definition of the option allows. */
  readonly value: string;
  readonly is: OptionClass;
  readonly request: Place;
  readonly response: Place;
}

const row = (number: number, value: string, is: OptionClass, request: Place = is === 'U' ? 'outer' : 'inner', response: Place = request): Row => ({
  number,
  value,
  is,
  request,
  response,
});

/**
 * RFC 8613 Figure 5; RFC 9175, Sections 2.2.1 and 3.2.1; RFC 9177, Section 4.1; RFC 9668, Section 3.1. Of the options that may be on both sides, we put those
 * inside that the application gave, and only Observe outside as well: what blocks, Echo and Request-Tags there are outside, layers below OSCORE make.
 */
const rows: readonly Row[] = [
  row(OptionNumber.IfMatch, '01', 'E'),
  row(OptionNumber.UriHost, '68', 'U'),
  row(OptionNumber.ETag, '02', 'E'),
  row(OptionNumber.IfNoneMatch, '', 'E'),
  row(OptionNumber.Observe, '', 'EU', 'both'),
  row(OptionNumber.UriPort, '1633', 'U'),
  row(OptionNumber.LocationPath, '61', 'E'),
  // RFC 8613 4.1.3.7
  row(OptionNumber.Oscore, '', 'U', 'refused'),
  row(OptionNumber.UriPath, '62', 'E'),
  row(OptionNumber.ContentFormat, '3c', 'E'),
  row(OptionNumber.MaxAge, '3c', 'EU'),
  row(OptionNumber.UriQuery, '63', 'E'),
  // Nobody defined OSCORE processing (RFC 8768): a client's own is for the server, and a proxy puts its own outside.
  row(OptionNumber.HopLimit, '10', 'E'),
  row(OptionNumber.Accept, '3c', 'E'),
  row(OptionNumber.QBlock1, '06', 'EU'),
  row(OptionNumber.LocationQuery, '64', 'E'),
  row(OptionNumber.Edhoc, '', 'U'),
  row(OptionNumber.Block2, '06', 'EU'),
  row(OptionNumber.Block1, '0e', 'EU'),
  row(OptionNumber.Size2, '20', 'EU'),
  row(OptionNumber.QBlock2, '06', 'EU'),
  // coap://h, of which nothing goes inside.
  row(OptionNumber.ProxyUri, '636f61703a2f2f68', 'U'),
  row(OptionNumber.ProxyScheme, '636f6170', 'U'),
  row(OptionNumber.Size1, '20', 'EU'),
  row(OptionNumber.Echo, '0102', 'EU'),
  row(OptionNumber.NoResponse, '1a', 'EU'),
  row(OptionNumber.RequestTag, '01', 'EU'),
  // RFC 8613 4.1: options that nobody knows, critical and elective, safe and unsafe.
  ...[2048, 2049, 2050, 2051, 65_001].map((number) => row(number, 'fe', 'E')),
];

const oscoreNumber = OptionNumber.Oscore;

function receive(message: Request, context: SecurityContext) {
  return unprotectRequest(message, decodeOscoreOption(findOption(message.options, oscoreNumber)!.value), context);
}

/** The options beside the OSCORE option. */
const outside = ({ options }: Request | Response): readonly Option[] => options.filter(({ number }) => number !== oscoreNumber);
const stripped = <M extends Request | Response>(message: M): M => ({ ...message, options: message.options.filter(({ number }) => number === oscoreNumber) });
const put = <M extends Request | Response>(message: M, option: Option): M => ({
  ...message,
  options: sortOptions([...outside(message), ...findAll(message.options, oscoreNumber), option]),
});
const hexOf = (options: readonly Option[]): string[] => options.map(({ number, value }) => `${number} ${toHex(value)}`);

/** Another value of the same option, as an attacker or a hop would put it outside. */
function otherThan({ number, value }: Option): Option {
  const { min, max } = optionDefinition(number) ?? { min: 0, max: 255 };
  const other = value.length === 0 ? (max === 0 ? emptyBytes : Uint8Array.of(1)) : value.map((byte) => byte ^ 1);
  assert.ok(other.length >= min && other.length <= max);
  return { number, value: other };
}

test('RFC 8613 4.1: the rows below are all options of the registry', () => {
  const known = rows.map(({ number }) => number);
  for (const number of Object.values(OptionNumber)) assert.ok(known.includes(number), optionName(number));
  for (let number = 0; number < 0x1_0000; number++) if (optionDefinition(number) !== undefined) assert.ok(known.includes(number), optionName(number));
  for (const { number, is } of rows) assert.equal(optionClass(number), is, optionName(number));
});

for (const { number, value, request: inRequest, response: inResponse } of rows) {
  const option: Option = { number, value: fromHex(value) };

  describe(`RFC 8613 4.1: ${optionName(number)}`, () => {
    test(`in a request it is ${inRequest}`, () => {
      const { client, server } = pair();
      const protect = () => protectRequest(request(client, Method.GET, [option]), client, 0);
      if (inRequest === 'refused') {
        assert.throws(protect, { code: 'ERR_OSCORE_NESTED' });
        return;
      }
      const { message } = protect();
      assert.deepEqual(outside(message), inRequest === 'inner' ? [] : [option]);
      assert.deepEqual(receive(message, server).request.options, [option], 'the receiver has it once');
      // Without what travelled outside only what is encrypted is left; a registration needs both (4.1.3.5.1).
      assert.deepEqual(receive(stripped(message), server).request.options, inRequest === 'inner' ? [option] : []);
    });

    test(`in a response it is ${inResponse}`, () => {
      const { client, server } = pair();
      const { message, binding } = protectRequest(request(client), client, 0);
      const protect = () => protectResponse({ code: Code.Content, options: [option], payload: emptyBytes }, server, receive(message, server).binding);
      if (inResponse === 'refused') {
        assert.throws(protect, { code: 'ERR_OSCORE_NESTED' });
        return;
      }
      const response = protect();
      assert.deepEqual(outside(response), inResponse === 'inner' ? [] : [option]);
      const received = unprotectResponse(response, client, binding).response.options;
      assert.deepEqual(received, inResponse === 'outer' ? [] : [option], 'nothing from outside is defined for a response');
      assert.deepEqual(unprotectResponse(stripped(response), client, binding).response.options, received);
    });

    if (number === oscoreNumber) return;
    test('8.2, step 1, and 8.4, step 1: what somebody put outside', () => {
      const { client, server } = pair();
      const { message, binding } = protectRequest(request(client), client, 0);
      assert.deepEqual(receive(put(message, option), server).request.options, optionClass(number) === 'U' ? [option] : []);
      const response = protectResponse({ code: Code.Content, options: [], payload: emptyBytes }, server, receive(message, server).binding);
      assert.deepEqual(unprotectResponse(put(response, option), client, binding).response.options, []);
    });

    // Observe has rules of its own (4.1.3.5), tested in protect.test.ts.
    if (optionClass(number) === 'U' || number === OptionNumber.Observe) return;
    test('an Outer one beside the Inner one does not change it', () => {
      const { client, server } = pair();
      const { message, binding } = protectRequest(request(client, Method.GET, [option]), client, 0);
      assert.deepEqual(hexOf(receive(put(message, otherThan(option)), server).request.options), hexOf([option]));
      const response = protectResponse({ code: Code.Content, options: [option], payload: emptyBytes }, server, receive(message, server).binding);
      assert.deepEqual(hexOf(unprotectResponse(put(response, otherThan(option)), client, binding).response.options), hexOf([option]));
    });
  });
}

test('RFC 8613 5.4: no option is of Class I, so the AAD is the same whatever travels outside', () => {
  const { client } = pair();
  const aads = rows
    .filter(({ request: place }) => place !== 'refused')
    .map(({ number, value }) => toHex(protectRequest(request(client, Method.GET, [{ number, value: fromHex(value) }]), client, 0).binding.aad));
  assert.equal(new Set(aads).size, 1);
});

import { decodeMessage, findOption, formatCode, isRequest, type Message, OptionNumber, requestPath } from '../../coap/index.ts';
import { toHex } from '../../core/bytes.ts';
import { ProtocolError } from '../../core/errors.ts';
import { decodeOscoreOption } from '../../oscore/index.ts';
import { UsageError } from '../exit.ts';
import { renderBody, renderCode, renderOption } from '../render.ts';
import { Capture, type Inputs, type Opened } from './capture.ts';

/** What OSCORE protects in a datagram, for people and for programs. */
export interface OpenedDatagram {
  readonly verified: boolean;
  readonly lines: readonly string[];
  readonly json: Readonly<Record<string, unknown>>;
}

/** Opens captured datagrams, one after the other. */
export class DatagramOpener {
  readonly #capture: Capture;
  /** Inner paths by token: what is in a response hangs on them. */
  readonly #paths = new Map<string, readonly string[]>();

  constructor(files: readonly string[]) {
    this.#capture = new Capture(files);
  }

  /**
   * Make a request known that is not shown: a datagram, or the value of its OSCORE option.
   *
   * @throws {UsageError} when the bytes are neither
   */
  remember(bytes: Uint8Array): void {
    // A CoAP datagram begins with version 1, an OSCORE option with three bits that are zero.
    const message = ((bytes[0] ?? 0) & 0xe0) === 0 ? undefined : decodeMessage(bytes, { extendedTokens: true });
    if (message !== undefined && !isRequest(message.code)) throw new UsageError(`--request: expected a request, got ${renderCode(message.code)}`);
    const value = message === undefined ? bytes : findOption(message.options, OptionNumber.Oscore)?.value;
    if (value === undefined) throw new UsageError('--request: expected a protected request, got one without OSCORE option');
    const option = decodeOscoreOption(value);
    if (option.kid === undefined || option.partialIv === undefined)
      throw new UsageError('--request: expected a kid and a Partial IV, got an OSCORE option without');
    if (message === undefined) this.#capture.remember(option);
    else this.open(message);
  }

  open(message: Message): OpenedDatagram {
    const opened = this.#capture.open(message);
    const token = toHex(message.token);
    if (opened.verified && isRequest(message.code)) this.#paths.set(token, requestPath(opened.inner.options)?.slice(1).split('/') ?? []);
    return { verified: opened.verified, lines: linesOf(opened, this.#paths.get(token)), json: jsonOf(opened) };
  }
}

function linesOf(opened: Opened, path: readonly string[] | undefined): string[] {
  const inputs = opened.inputs === undefined ? [] : inputLines(opened.inputs);
  if (!opened.verified) return [`OSCORE: not opened: ${opened.reason}`, ...inputs];
  return [`OSCORE: opened with ${opened.inputs.file}`, ...inputs, renderCode(opened.inner.code), ...renderBody(opened.inner, '  ', path)];
}

function inputLines({ from, id, nonce, aad, sequence }: Inputs): string[] {
  const number = sequence === undefined ? 'the nonce of the request' : `sequence number ${sequence}`;
  return [
    `  from the ${from} of the file, ${id.length === 0 ? 'an empty ID' : `ID ${toHex(id)}`}, ${number}`,
    `  nonce ${toHex(nonce)}`,
    `  AAD ${toHex(aad)}`,
  ];
}

function jsonOf(opened: Opened): Readonly<Record<string, unknown>> {
  const { inputs } = opened;
  const facts =
    inputs === undefined
      ? {}
      : {
          context: inputs.file,
          from: inputs.from,
          id: toHex(inputs.id),
          ...(inputs.sequence === undefined ? {} : { sequence_number: inputs.sequence }),
          nonce: toHex(inputs.nonce),
          aad: toHex(inputs.aad),
        };
  if (!opened.verified) return { verified: false, reason: opened.reason, ...facts };
  const { code, options, payload } = opened.inner;
  return { verified: true, ...facts, code: formatCode(code), options: options.map(renderOption), payload_hex: toHex(payload) };
}

/** @throws {UsageError} with the name of the flag for what cannot be read */
export function openerOf(files: readonly string[], request: Uint8Array | undefined): DatagramOpener {
  const opener = new DatagramOpener(files);
  if (request === undefined) return opener;
  try {
    opener.remember(request);
  } catch (error) {
    if (!(error instanceof ProtocolError) || error instanceof UsageError) throw error;
    throw new UsageError(`--request: ${error.message}`, { cause: error });
  }
  return opener;
}

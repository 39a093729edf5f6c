import { decodeMessage, findOption, isRequest, type Message, OptionNumber, requestPath } from '../../coap/index.ts';
import { toHex } from '../../core/bytes.ts';
import { ProtocolError } from '../../core/errors.ts';
import { OscoreOpener, oscoreFacts, oscoreLines, renderCode } from '../../inspect/index.ts';
import { loadOscoreContext } from '../../operate/index.ts';
import { decodeOscoreOption } from '../../oscore/index.ts';
import { UsageError } from '../exit.ts';

/** What OSCORE protects in a datagram, for people and for programs. */
export interface OpenedDatagram {
  readonly verified: boolean;
  readonly lines: readonly string[];
  readonly json: Readonly<Record<string, unknown>>;
}

/** Opens captured datagrams, one after the other. */
export class DatagramOpener {
  readonly #opener: OscoreOpener;
  /** Inner paths by token: what is in a response hangs on them. */
  readonly #paths = new Map<string, readonly string[]>();

  constructor(files: readonly string[]) {
    this.#opener = new OscoreOpener(
      files.map((path) => {
        const { file, parameters } = loadOscoreContext(path);
        return { name: file, parameters };
      }),
    );
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
    if (message === undefined) this.#opener.remember(option);
    else this.open(message);
  }

  open(message: Message): OpenedDatagram {
    const opened = this.#opener.open(message);
    const token = toHex(message.token);
    if (opened.verified && isRequest(message.code)) this.#paths.set(token, requestPath(opened.inner.options)?.slice(1).split('/') ?? []);
    return { verified: opened.verified, lines: oscoreLines(opened, this.#paths.get(token)), json: oscoreFacts(opened) };
  }
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

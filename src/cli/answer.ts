import {
  Code,
  ContentFormat,
  codeName,
  contentFormatName,
  findOption,
  formatCode,
  type Option,
  OptionNumber,
  relativeLocationOf,
  uintOf,
} from '../coap/index.ts';
import { fromUtf8, toHex } from '../core/bytes.ts';
import { ProtocolError } from '../core/errors.ts';
import { printableDocument, printableJson } from '../core/printable.ts';
import { annotatePayload, isCborFormat } from '../inspect/index.ts';
import { ExitCode } from './exit.ts';
import { writeOutput } from './output-file.ts';
import { err } from './terminal.ts';

/** What the answer to a plain and to a protected request have in common. */
export interface Answer {
  readonly code: number;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
  readonly protected: boolean;
  /** What protected it, where that is known. */
  readonly association?: { readonly kind: string; readonly suite?: string; readonly isResumed?: boolean };
}

export interface PrintFlags {
  /** The client whose tokens it went with. */
  readonly config?: string;
  readonly json?: boolean;
  readonly output?: string;
  /** One of several answers: each has a line of its own. */
  readonly stream?: boolean;
}

/** The payload as text; `undefined`: it is none, or has control characters that no text has. */
function asText({ options, payload }: Answer): string | undefined {
  const format = uintOf(options, OptionNumber.ContentFormat);
  if (format === ContentFormat.OctetStream || (format !== undefined && isCborFormat(format))) return undefined;
  try {
    const text = fromUtf8(payload);
    // Control characters other than white space.
    return /(?!\s)\p{Cc}/u.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function describe(answer: Answer): Record<string, unknown> {
  const format = uintOf(answer.options, OptionNumber.ContentFormat);
  const observe = uintOf(answer.options, OptionNumber.Observe);
  const text = asText(answer);
  return {
    code: formatCode(answer.code),
    name: codeName(answer.code),
    protected: answer.protected,
    ...sessionOf(answer),
    ...(format === undefined ? {} : { content_format: format }),
    ...(observe === undefined ? {} : { observe }),
    ...placeOf(answer),
    payload_bytes: answer.payload.length,
    ...(text === undefined ? { payload_hex: toHex(answer.payload) } : { payload: text }),
  };
}

/** What a session over DTLS agreed on. */
function sessionOf({ association }: Answer): { readonly suite?: string; readonly resumed?: true } {
  const { suite, isResumed } = association ?? {};
  return { ...(suite === undefined ? {} : { suite }), ...(isResumed === true ? { resumed: true } : {}) };
}

/** Where what was created is, and which representation this is. */
function placeOf({ options }: Answer): { readonly location?: string; readonly etag?: string } {
  const etag = findOption(options, OptionNumber.ETag)?.value;
  let location: string | undefined;
  try {
    location = relativeLocationOf(options);
  } catch (error) {
    // A server may say something that is no place.
    if (!(error instanceof ProtocolError)) throw error;
  }
  return { ...(location === undefined ? {} : { location }), ...(etag === undefined ? {} : { etag: toHex(etag) }) };
}

/** Code, format, size and protection, for standard error; of an error the payload too. */
function sayFacts(answer: Answer, { config }: PrintFlags): void {
  const format = uintOf(answer.options, OptionNumber.ContentFormat);
  const ok = answer.code < 128;
  const facts = [
    ...(format === undefined ? [] : [contentFormatName(format)]),
    `${answer.payload.length} bytes`,
    ...Object.entries(placeOf(answer)).map(([name, value]) => `${name} ${value}`),
    ...Object.entries(sessionOf(answer)).map(([name, value]) => (name === 'resumed' ? name : `${value}`)),
    answer.protected ? `protected by ${(answer.association?.kind ?? 'oscore').toUpperCase()}` : 'not protected',
  ];
  console.error(`${err(ok ? 'green' : 'red', `${formatCode(answer.code)} ${codeName(answer.code)}`)}  ${err('dim', facts.join(', '))}`);
  if (!ok) for (const line of annotatePayload(answer)) console.error(`  ${line}`);
  const next = format === ContentFormat.AceCbor ? nextStep(answer, config !== undefined) : undefined;
  if (next !== undefined) console.error(err('dim', `(${next})`));
}

/** What one may do about the refusal of a resource server. */
function nextStep({ code }: Answer, isClient: boolean): string | undefined {
  if (code === Code.Unauthorized && !isClient) return 'it takes an access token: with --config goes the client that gets one of that AS';
  if (!isClient || (code !== Code.Forbidden && code !== Code.MethodNotAllowed)) return undefined;
  return 'the token does not cover it; what the client may have stands under its grants at the AS, and --scope asks for it';
}

/** Text with a line end, on a terminal with what would play with it made visible; other bytes for people on a terminal, and as they are for a program. */
function printPayload(answer: Answer, flags: PrintFlags): void {
  const { payload } = answer;
  if (payload.length === 0) return;
  const text = asText(answer);
  if (text !== undefined) {
    const shown = process.stdout.isTTY ? printableDocument(text) : text;
    process.stdout.write(shown.endsWith('\n') ? shown : `${shown}\n`);
  } else if (process.stdout.isTTY) console.log(annotatePayload(answer).join('\n'));
  else if (flags.stream) console.log(toHex(payload));
  else process.stdout.write(payload);
}

/**
 * Shows an answer and sets the exit code for it. The payload goes to standard output, or a file, and everything about it to standard error, so that a pipe
 * sees the payload alone; what an error says is about it.
 */
export function printAnswer(answer: Answer, flags: PrintFlags): void {
  const ok = answer.code < 128;
  if (flags.json) console.log(printableJson(describe(answer)));
  else sayFacts(answer, flags);
  if (ok && flags.output !== undefined) writeOutput(flags.output, answer.payload);
  else if (ok && !flags.json) printPayload(answer, flags);
  if (!ok) process.exitCode = ExitCode.refused;
}

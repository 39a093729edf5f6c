import type { IncomingMessage } from 'node:http';
import { fromUtf8 } from '../../../../src/core/bytes.ts';
import { ProtocolError } from '../../../../src/core/errors.ts';
import { readBody } from '../request-body.ts';

/** A form that is none. Code: `ERR_SEAL_FORM`. */
export class FormError extends ProtocolError {
  /** Of the answer. */
  readonly status: number;

  constructor(message: string, status: number, options?: { readonly cause?: unknown }) {
    super('ERR_SEAL_FORM', message, options);
    this.status = status;
  }
}

/** Bytes. */
const longestForm = 16_384;

/**
 * The fields of a form that was sent as `application/x-www-form-urlencoded`.
 *
 * @throws {FormError} `ERR_SEAL_FORM`: another type, too long, a field twice, or cut off
 */
export async function readForm(request: IncomingMessage): Promise<ReadonlyMap<string, string>> {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded') throw new FormError('expected a form, got another type of content', 415);
  const body = await readBody(request, longestForm);
  if (body === 'too-long') throw new FormError(`expected a form of at most ${longestForm} bytes, got more`, 413);
  if (body === 'cut-short') throw new FormError('expected a form, got the beginning of one', 400);
  return fieldsOf(body);
}

function fieldsOf(body: Uint8Array): ReadonlyMap<string, string> {
  let text: string;
  try {
    text = fromUtf8(body);
  } catch (cause) {
    throw new FormError('expected a form in UTF-8, got other bytes', 400, { cause });
  }
  const fields = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (fields.has(name)) throw new FormError('expected each field once, got one again', 400);
    fields.set(name, value);
  }
  return fields;
}

import { readFile } from 'node:fs/promises';
import { BytesError, concatAll, fromBase64Url, fromHex, fromUtf8 } from '../core/bytes.ts';
import { UsageError } from './exit.ts';

/** The bytes of a file, or of standard input for `-`. */
export async function readInput(file: string): Promise<Uint8Array> {
  try {
    if (file !== '-') return new Uint8Array(await readFile(file));
    // A read of the descriptor itself fails where the other end of a pipe has made it non-blocking.
    const chunks: Uint8Array[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
    return concatAll(chunks);
  } catch (cause) {
    throw new UsageError(`${file === '-' ? 'standard input' : file}: cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
}

/** Bytes of text in hex (white space and 0x do not count) or base64url; `undefined`: neither. */
function bytesOfText(text: string): Uint8Array | undefined {
  const compact = text.replace(/\s+/g, '').replace(/^0x/i, '');
  for (const parse of [fromHex, fromBase64Url]) {
    try {
      return parse(compact);
    } catch (error) {
      if (!(error instanceof BytesError)) throw error;
    }
  }
  return undefined;
}

/** The bytes that an argument stands for: hex or base64url, @file or -; a file may also be binary. */
export async function inputBytes(input: string): Promise<Uint8Array> {
  if (input !== '-' && !input.startsWith('@')) {
    const bytes = bytesOfText(input);
    if (bytes === undefined)
      throw new UsageError(`input: expected hex, base64url, @file or -, got ${input.length} characters that are neither hex nor base64url`);
    if (bytes.length === 0) throw new UsageError('input: expected hex, base64url, @file or -, got nothing');
    return bytes;
  }
  const content = await readInput(input === '-' ? '-' : input.slice(1));
  if (content.length === 0) throw new UsageError(`input: expected bytes in ${input === '-' ? 'standard input' : input.slice(1)}, got none`);
  let text: string;
  try {
    text = fromUtf8(content);
  } catch (error) {
    if (error instanceof BytesError) return content;
    throw error;
  }
  const bytes = bytesOfText(text);
  return bytes === undefined || bytes.length === 0 ? content : bytes;
}

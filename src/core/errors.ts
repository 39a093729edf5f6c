/**
 * The base of every error that this library throws on purpose.
 *
 * `code` is stable and is what programs test; `message` is for people: it says what was expected and what came, and never holds key or plaintext bytes.
 */
export class ProtocolError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** What an error says, for events and logs; of what was thrown and is no error, its text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

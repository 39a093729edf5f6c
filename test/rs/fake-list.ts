import type { RevocationList, TrlQuery, TrlResponse } from '../../src/ace/index.ts';
import { fromBase64Url } from '../../src/core/bytes.ts';
import { ProtocolError } from '../../src/core/errors.ts';

/** The revocation list of an AS that a test writes. Nobody can observe it unless `observable` is set. */
export class FakeList implements RevocationList {
  readonly queries: TrlQuery[] = [];
  readonly hashes: Set<string> = new Set();
  /** Answers to diff queries, each once. */
  readonly answers: TrlResponse[] = [];
  cursor: number | null = null;
  observable = false;
  fails = false;
  #notify: ((response: TrlResponse) => void) | undefined;

  async query(query: TrlQuery): Promise<TrlResponse> {
    this.queries.push(query);
    if (this.fails) throw new ProtocolError('ERR_COAP_TIMEOUT', 'expected a response, got none');
    const answer = query.diff === undefined ? undefined : this.answers.shift();
    return answer ?? { fullSet: [...this.hashes].map(fromBase64Url), cursor: this.cursor };
  }

  async *observe(query: TrlQuery, signal: AbortSignal): AsyncGenerator<TrlResponse, void, undefined> {
    this.queries.push(query);
    if (this.fails) throw new ProtocolError('ERR_COAP_TIMEOUT', 'expected a response, got none');
    yield { diffSet: [], cursor: this.cursor, more: false };
    while (this.observable && !signal.aborted) {
      const next = await new Promise<TrlResponse | undefined>((resolve) => {
        this.#notify = resolve;
        signal.addEventListener('abort', () => resolve(undefined));
      });
      if (next !== undefined) yield next;
    }
  }

  notify(response: TrlResponse): void {
    this.#notify?.(response);
  }
}

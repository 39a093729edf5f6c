import { setTimeout as pause } from 'node:timers/promises';
import type { TrlQuery, TrlResponse } from '../../ace/index.ts';
import type { AceClient } from '../../client/index.ts';
import { CoapError } from '../../coap/index.ts';
import { toBase64Url } from '../../core/bytes.ts';
import { UsageError } from '../exit.ts';
import { milliseconds } from '../request.ts';
import { openAsRs, openConfigured } from '../session.ts';
import { interruptible } from '../signals.ts';
import { err, out, waiting } from '../terminal.ts';

export interface TrlFlags {
  readonly config: string;
  readonly rs?: boolean;
  readonly as?: string;
  readonly diff?: number;
  readonly cursor?: number;
  readonly observe?: boolean;
  readonly count?: number;
  readonly timeout?: number;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** `ace-coap trl` */
export async function trlCommand(flags: TrlFlags): Promise<void> {
  const { diff, cursor } = flags;
  if (cursor !== undefined && diff === undefined) throw new UsageError('--cursor: expected --diff beside it, got none');
  const query: TrlQuery = { ...(diff === undefined ? {} : { diff }), ...(cursor === undefined ? {} : { cursor }) };
  const { client, as } = await open(flags);
  try {
    const list = client.revocationList(as);
    if (flags.observe === true) await watch((signal) => list.observe(query, signal), flags);
    else print(await waiting('revocation list', flags.verbose, () => within(list.query(query), flags.timeout)), flags);
  } finally {
    await client.close();
  }
}

async function open(flags: TrlFlags): Promise<{ readonly client: AceClient; readonly as: string | undefined }> {
  const { config, rs = false, as } = flags;
  const session = { verbose: flags.verbose === true };
  const opened = rs ? await openAsRs(config, session) : { ...(await openConfigured(config, session)), as: undefined };
  return { client: opened.client, as: as ?? opened.as };
}

async function within<T>(answer: Promise<T>, seconds: number | undefined): Promise<T> {
  const { timeout } = milliseconds(seconds);
  if (timeout === undefined) return answer;
  const over = new AbortController();
  const late = pause(timeout, undefined, { signal: over.signal }).then(() => {
    throw new CoapError('ERR_COAP_TIMEOUT', `expected a response within ${timeout} ms, got none`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([answer, late]);
  } finally {
    over.abort();
  }
}

/** Print answers until enough have come or the user ends it. */
async function watch(observe: (signal: AbortSignal) => AsyncIterable<TrlResponse>, flags: TrlFlags): Promise<void> {
  await interruptible(async (stop) => {
    let seen = 0;
    try {
      for await (const response of observe(stop)) {
        print(response, flags);
        if (++seen === flags.count) break;
      }
    } catch (error) {
      if (!stop.aborted) throw error;
    }
  });
}

function print({ fullSet, diffSet, cursor, more }: TrlResponse, { json = false }: TrlFlags): void {
  if (json) {
    const entries = diffSet?.map(({ removed, added }) => ({ removed: removed.map(toBase64Url), added: added.map(toBase64Url) }));
    console.log(JSON.stringify({ full_set: fullSet?.map(toBase64Url), diff_set: entries, cursor, more }));
    return;
  }
  for (const hash of fullSet ?? []) console.log(`${out('bold', 'revoked')}  ${toBase64Url(hash)}`);
  for (const { removed, added } of [...(diffSet ?? [])].reverse()) {
    for (const hash of added) console.log(`${out('bold', 'revoked')}  ${toBase64Url(hash)}`);
    for (const hash of removed) console.log(`${out('dim', 'expired')}  ${toBase64Url(hash)}`);
  }
  const changes = fullSet?.length ?? diffSet?.length ?? 0;
  const what = fullSet === undefined ? 'update' : 'token';
  const after = more === true ? (cursor === null ? '; older ones are gone: ask for the whole list' : '; there are more') : '';
  console.error(err('dim', `${changes} ${what}${changes === 1 ? '' : 's'}, cursor ${cursor ?? 'none'}${after}`));
}

import type { RevocationList, TrlQuery, TrlResponse } from '../../ace/index.ts';
import type { AceClient } from '../../client/index.ts';
import type { RsConfig } from '../../operate/index.ts';
import type { RevocationOptions } from '../../rs/index.ts';
import type { Store } from '../../store/index.ts';
import { channelsOf, openChannel } from '../session.ts';

/** What an RS follows, and what ends the channel that it goes over. */
export interface Following {
  readonly revocation: RevocationOptions;
  close(): Promise<void>;
}

/** The revocation lists of the issuers of an RS that it has a channel to. The channel is opened when the first list is asked. */
export function followingOf(config: RsConfig, store: Store): Following | undefined {
  if (config.revocation === undefined) return undefined;
  let client: Promise<AceClient> | undefined;
  const opened = (): Promise<AceClient> => {
    client ??= openChannel(config, {}, store);
    client.catch(() => {
      client = undefined;
    });
    return client;
  };
  const lists = channelsOf(config).map(({ uri, issuer }): [string, RevocationList] => [issuer, listOver(opened, uri)]);
  return { revocation: { ...config.revocation, lists: Object.fromEntries(lists) }, close: async () => (await client)?.close() };
}

function listOver(opened: () => Promise<AceClient>, uri: string): RevocationList {
  const list = async (): Promise<RevocationList> => (await opened()).revocationList(uri);
  return {
    query: async (query: TrlQuery): Promise<TrlResponse> => (await list()).query(query),
    async *observe(query, signal) {
      yield* (await list()).observe(query, signal);
    },
  };
}

import type { RevocationList, TrlQuery, TrlResponse } from '../ace/index.ts';
import type { AceClient } from '../client/index.ts';
import type { RsConfig } from '../operate/index.ts';
import type { IntrospectionOptions, Introspector, RevocationOptions } from '../rs/index.ts';
import type { Store } from '../store/index.ts';
import { channelsOf, openChannel } from './session.ts';

/** Seconds that an AS has to say whether a token is active: whoever uploads it is waiting. */
const introspectionTimeout = 10;

/** What an RS asks its issuers, and what ends the channel that it goes over. */
export interface Asking {
  /** What a configuration says of it, with the issuers of the first. */
  optionsOf(config: RsConfig): { readonly revocation?: RevocationOptions; readonly introspection?: IntrospectionOptions };
  close(): Promise<void>;
}

/** The revocation lists of the issuers that an RS has a channel to, and what they say of single tokens. The channel is opened when the first is asked. */
export function askingOf(config: RsConfig, store: Store): Asking {
  let client: Promise<AceClient> | undefined;
  const opened = (): Promise<AceClient> => {
    client ??= openChannel(config, {}, store);
    client.catch(() => {
      client = undefined;
    });
    return client;
  };
  const issuers = channelsOf(config);
  const lists = issuers.map(({ uri, issuer }): [string, RevocationList] => [issuer, listOver(opened, uri)]);
  const introspectors = (timeout: number): Record<string, Introspector> =>
    Object.fromEntries(issuers.map(({ uri, issuer }) => [issuer, async (token) => (await opened()).introspect(token, { as: uri, timeout: timeout * 1000 })]));
  return {
    optionsOf: ({ revocation, introspection }) => {
      const { timeout = introspectionTimeout, ...asked } = introspection ?? {};
      return {
        ...(revocation && { revocation: { ...revocation, lists: Object.fromEntries(lists) } }),
        ...(introspection && { introspection: { ...asked, issuers: introspectors(timeout) } }),
      };
    },
    close: async () => (await client)?.close(),
  };
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

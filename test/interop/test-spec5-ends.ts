import type { TestContext } from 'node:test';
import {
  emptyOption,
  findOption,
  formatCode,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  type Response,
  uintOf,
  uintOption,
} from '../../src/coap/index.ts';
import { fromHex, fromUtf8, toHex } from '../../src/core/bytes.ts';
import { checkParameters, deriveContext, deriveKeys, OscoreError, SecurityContext } from '../../src/oscore/index.ts';
import type { Californium } from './californium.ts';
import { AiocoapClient, AiocoapServer, contextA, contextFolder, mirrored, protectedClient, protectedServer } from './oscore-peers.ts';
import { type Passed, plainServer } from './ours.ts';
import type { Client, Direction, Setup, Shown } from './test-spec5.ts';

interface ServerEnd {
  readonly port: number;
  /** What passed its socket, if it is ours. */
  readonly passed?: readonly Passed[];
}

interface ClientEnd extends Client {
  passed?(): readonly Passed[];
}

export interface End {
  serve(t: TestContext, setup: Setup): Promise<ServerEnd>;
  connect(t: TestContext, port: number, setup: Setup): Promise<ClientEnd>;
}

const contextB = mirrored(contextA);
const wrongKey = new Uint8Array(16);

/** The tests between two ends, of which at least one is ours. */
export function between(name: string, client: End, server: End, known: Omit<Direction, 'name' | 'open'> = {}): Direction {
  return {
    ...known,
    name,
    open: async (t, setup) => {
      const { port, passed } = await server.serve(t, setup);
      const connected = await client.connect(t, port, setup);
      return {
        client: connected,
        wire: () =>
          (passed ?? connected.passed!())
            .filter(({ message }) => message.code !== 0)
            .map(({ direction, message }) => ({ from: (direction === 'in') === (passed !== undefined) ? 'client' : 'server', message })),
      };
    },
  };
}

function shown({ code, payload, options, association }: Response): Shown {
  const etag = findOption(options, OptionNumber.ETag);
  return {
    code: formatCode(code),
    text: fromUtf8(payload),
    contentFormat: uintOf(options, OptionNumber.ContentFormat) ?? null,
    etag: etag === undefined ? null : toHex(etag.value),
    maxAge: uintOf(options, OptionNumber.MaxAge) ?? null,
    protected: association !== undefined,
  };
}

/** Ours; no client of ours counts anew, so for that a second one takes the place of the first. */
export const us: End = {
  serve: async (t, { server = contextB }) => (server === 'without OSCORE' ? plainServer(t) : protectedServer(t, [deriveContext(server)])),
  connect: async (t, port, { context, wrong }) => {
    const open = (): ReturnType<typeof protectedClient> => {
      if (context === undefined) return protectedClient(t, port);
      const checked = checkParameters(context);
      return protectedClient(t, port, new SecurityContext(checked, { ...deriveKeys(checked), ...(wrong === undefined ? {} : { [wrong]: wrongKey }) }, {}));
    };
    let client = await open();
    const passed = [client.passed];
    return {
      passed: () => passed.flat(),
      ask: async ({ method = 'GET', path, payload, contentFormat, accept, ifMatch, ifNoneMatch }, limit) => {
        const options: Option[] = [];
        if (contentFormat !== undefined) options.push(uintOption(OptionNumber.ContentFormat, contentFormat));
        if (accept !== undefined) options.push(uintOption(OptionNumber.Accept, accept));
        if (ifMatch !== undefined) options.push(opaqueOption(OptionNumber.IfMatch, fromHex(ifMatch)));
        if (ifNoneMatch !== undefined) options.push(emptyOption(OptionNumber.IfNoneMatch));
        try {
          return shown(await client.ask(Method[method], path, payload, options, limit));
        } catch (error) {
          if (error instanceof OscoreError && error.code === 'ERR_OSCORE_RESPONSE') return undefined;
          throw error;
        }
      },
      observe: async (path, count) => {
        const heard: Shown[] = [];
        for await (const response of client.observe(path)) {
          heard.push(shown(response));
          if (heard.length === count) break;
        }
        return heard;
      },
      rewind: async () => {
        client = await open();
        passed.push(client.passed);
      },
    };
  },
};

export const aiocoap: End = {
  serve: (t, { server = contextB }) => AiocoapServer.start(t, server === 'without OSCORE' ? [] : [contextFolder(t, 'server', server)]),
  connect: async (t, port, { context, wrong }) => {
    const client = await AiocoapClient.start(t, port, context === undefined ? undefined : contextFolder(t, 'client', context));
    if (wrong !== undefined) await client.replaceKey(wrong, wrongKey);
    const uri = `coap://127.0.0.1:${port}`;
    return {
      ask: async ({ path, ...order }) => {
        try {
          return shownOf(await client.ask({ uri: uri + path, ...order }));
        } catch (error) {
          // Its exceptions for an answer that nothing protects and for one that does not decrypt.
          if (error instanceof Error && /NotAProtectedMessage|ProtectionInvalid/.test(error.message)) return undefined;
          throw error;
        }
      },
      observe: async (path, count) => {
        const { responses } = await client.observe(uri + path, count);
        // Of itself it answers the next notification with RST.
        if (responses.at(-1)!.observe !== null) await client.ask({ uri: uri + path, observe: 1 });
        return responses.map(shownOf);
      },
      rewind: () => client.rewind(0),
    };
  },
};

export function californium(peer: Californium): End {
  return {
    serve: async (t, { server = contextB }) => ({ port: await peer.serve(t, server === 'without OSCORE' ? undefined : server) }),
    connect: async (t, port, { context, wrong }) => {
      const change = wrong === undefined ? {} : { [wrong]: wrongKey };
      const client = await peer.connect(t, `coap://127.0.0.1:${port}`, context, { change });
      return {
        ask: async (order, limit) => {
          const told = await client.ask(order, limit);
          return told === undefined ? undefined : shownOf(told);
        },
        observe: async (path, count) => (await client.observe(path, count, 2000)).responses.map(shownOf),
        rewind: () => client.rewind(0),
      };
    },
  };
}

function shownOf({ code, text, contentFormat, etag, maxAge, protected: isProtected }: Shown): Shown {
  return { code, text, contentFormat, etag, maxAge, protected: isProtected };
}

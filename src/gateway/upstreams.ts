import type { AceClient, AceRequestInit, MethodName } from '../client/index.ts';
import { CoapError, composeUri, findAll, findOption, Method, OptionNumber, type Request, type Upstream, type UriScheme, uintOf } from '../coap/index.ts';
import { ProtocolError } from '../core/errors.ts';

const methodNames: ReadonlyMap<number, MethodName> = new Map((Object.keys(Method) as MethodName[]).map((name) => [Method[name], name]));

/**
 * Sends what a gateway forwards with the tokens of a client (RFC 9200), and takes no answer that nothing protects.
 *
 * @param defaults what all requests have beside what they came with
 */
export function aceUpstream(client: AceClient, scheme: UriScheme = 'coap', defaults: Pick<AceRequestInit, 'confirmable'> = {}): Upstream {
  return {
    requester: (request, listener) => {
      const given = new AbortController();
      const failed = (cause: unknown): void => {
        if (given.signal.aborted) return;
        const error = cause instanceof ProtocolError ? cause : new CoapError('ERR_COAP_REQUEST', 'expected an answer, got an error', { cause });
        listener.error(error);
      };
      try {
        client.fetch(composeUri(request.options, request.peer, scheme), { ...defaults, ...initOf(request), signal: given.signal }).then((response) => {
          if (!given.signal.aborted) listener.response(response, true);
        }, failed);
      } catch (cause) {
        failed(cause);
      }
      return () => given.abort();
    },
    // The client looks names up itself, and may have to do so at an authorization server first.
    resolve: async (address, port) => ({ key: `${scheme}://${address}:${port}`, address, port, scheme }),
  };
}

function initOf({ code, options, payload, fresh }: Request): AceRequestInit {
  const valuesOf = (number: number): readonly Uint8Array[] => findAll(options, number).map(({ value }) => value);
  const contentFormat = uintOf(options, OptionNumber.ContentFormat);
  const accept = uintOf(options, OptionNumber.Accept);
  return {
    method: methodNames.get(code)!,
    payload,
    etag: valuesOf(OptionNumber.ETag),
    ifMatch: valuesOf(OptionNumber.IfMatch),
    ifNoneMatch: findOption(options, OptionNumber.IfNoneMatch) !== undefined,
    ...(contentFormat === undefined ? {} : { contentFormat }),
    ...(accept === undefined ? {} : { accept }),
    ...(fresh === undefined ? {} : { fresh }),
  };
}

import { fromUtf8 } from '../../core/bytes.ts';
import { CoapError } from '../errors.ts';
import type { Handler } from '../layer.ts';
import { Code } from '../message/code.ts';
import { findOption, type Option, OptionNumber, readUint } from '../message/option.ts';
import { codeResponse } from './answer.ts';

/** The name in Uri-Host, in lower case; `undefined`: there is none; `null`: it is no text. */
function hostOf(options: readonly Option[]): string | null | undefined {
  const option = findOption(options, OptionNumber.UriHost);
  if (option === undefined) return undefined;
  try {
    return fromUtf8(option.value).toLowerCase();
  } catch {
    return null;
  }
}

/**
 * Several virtual servers behind one endpoint, told apart by Uri-Host and Uri-Port.
 *
 * Keys are `host`, `host:port`, and `*` for all requests that name no other, those without Uri-Host among them: they are for the address that they were sent to.
 * Without `*` they are answered with 4.04.
 *
 * @throws {CoapError} `ERR_COAP_RESOURCE` when there is no host at all
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-5.10.1
 */
export function virtualHosts(hosts: Readonly<Record<string, Handler>>): Handler {
  const handlers = new Map(Object.entries(hosts).map(([name, handler]) => [name.toLowerCase(), handler] as const));
  if (handlers.size === 0) throw new CoapError('ERR_COAP_RESOURCE', 'expected at least one host, got none');
  const others = handlers.get('*');
  return (request, reply) => {
    const host = hostOf(request.options);
    if (host === null) {
      reply.respond(codeResponse(Code.BadOption));
      return;
    }
    const port = findOption(request.options, OptionNumber.UriPort);
    const named = host === undefined ? undefined : ((port === undefined ? undefined : handlers.get(`${host}:${readUint(port.value)}`)) ?? handlers.get(host));
    const handler = named ?? others;
    if (handler === undefined) reply.respond(codeResponse(Code.NotFound));
    else handler(request, reply);
  };
}

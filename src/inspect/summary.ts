import { hintParameters, tokenParameters } from '../ace/index.ts';
import {
  type Body,
  ContentFormat,
  codeClass,
  decodeProblemDetails,
  findOption,
  isRequest,
  type Option,
  OptionNumber,
  problemText,
  readUint,
} from '../coap/index.ts';
import { fromUtf8 } from '../core/bytes.ts';
import { type CborValue, decode } from '../core/cbor.ts';
import { ProtocolError } from '../core/errors.ts';
import { type Known, readKnownMap } from '../core/known-map.ts';
import { pathIn, queryIn, uintIn } from './option.ts';
import { renderBlock, renderCode } from './render.ts';
import { shortText } from './text.ts';

/** `GET /temperature`, `2.05 Content`, with the block that it is. */
export function titleOf({ code, options }: Body): string {
  const blocks = [OptionNumber.Block1, OptionNumber.Block2].flatMap((number) => blockOf(options, number));
  if (!isRequest(code)) return [renderCode(code), ...blocks].join(' ');
  const query = queryIn(options);
  const path = shortText(`/${pathIn(options).join('/')}${query.length === 0 ? '' : `?${query.join('&')}`}`, 48);
  const observe = uintIn(options, OptionNumber.Observe);
  return [renderCode(code), path, ...(observe === 0 ? ['observe'] : observe === 1 ? ['end observe'] : []), ...blocks].join(' ');
}

function blockOf(options: readonly Option[], number: number): string[] {
  const option = findOption(options, number);
  return option === undefined || option.value.length > 3 ? [] : [`block ${renderBlock(readUint(option.value))}`];
}

/** A map of ace+cbor by its names; `undefined`: the payload is none. */
export function aceMapOf(body: Body): Known<typeof tokenParameters> | undefined {
  if (uintIn(body.options, OptionNumber.ContentFormat) !== ContentFormat.AceCbor) return undefined;
  return knownOf(() => readKnownMap('payload', tokenParameters, decode(body.payload)).known);
}

function knownOf<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}

function hintGist(payload: Uint8Array): string | undefined {
  const hints = knownOf(() => readKnownMap('payload', hintParameters, decode(payload)).known);
  if (hints?.as === undefined) return undefined;
  return `hints: ${[hints.as, hints.audience, scopeText(hints.scope)].filter((part) => part !== undefined && part !== '').join(', ')}`;
}

function scopeText(scope: CborValue | undefined): string | undefined {
  return typeof scope === 'string' ? `scope ${JSON.stringify(scope)}` : scope instanceof Uint8Array ? `scope of ${scope.length} bytes` : undefined;
}

function aceGist(body: Body): string | undefined {
  if (codeClass(body.code) === 4 && !isRequest(body.code)) {
    const hint = hintGist(body.payload);
    if (hint !== undefined) return hint;
  }
  const known = aceMapOf(body);
  if (known === undefined) return undefined;
  if (known.error !== undefined) return `error ${known.error}${known.errorDescription === undefined ? '' : `: ${known.errorDescription}`}`;
  if (known.accessToken !== undefined) return `access token of ${known.accessToken.length} bytes`;
  if (known.nonce2 !== undefined) return 'nonce2 and the ID of the server';
  const asked = [known.audience === undefined ? undefined : `audience ${JSON.stringify(known.audience)}`, scopeText(known.scope)];
  return asked.filter((part) => part !== undefined).join(', ');
}

/** What a message brings, where it can be said in a few words; empty where it cannot. */
export function gistOf(body: Body): string {
  const { options, payload } = body;
  if (findOption(options, OptionNumber.Echo) !== undefined) {
    if (!isRequest(body.code)) return 'Echo challenge: is the request fresh?';
    if (payload.length === 0) return 'with the Echo value';
  }
  if (payload.length === 0) return '';
  const format = uintIn(options, OptionNumber.ContentFormat);
  if (format === ContentFormat.AceCbor) return shortText(aceGist(body) ?? '', 80);
  if (format === ContentFormat.Cwt) return `access token of ${payload.length} bytes`;
  if (format === ContentFormat.ConciseProblemDetails) return shortText(knownOf(() => problemText(decodeProblemDetails(payload))) ?? '', 80);
  if (format === undefined || format === ContentFormat.TextPlain || format === ContentFormat.Json) {
    const text = knownOf(() => fromUtf8(payload));
    if (text !== undefined && (format !== undefined || /^[\x20-\x7e]*$/.test(text))) return JSON.stringify(shortText(text));
  }
  return '';
}

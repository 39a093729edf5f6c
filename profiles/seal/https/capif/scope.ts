import { CapifError } from './error.ts';

/** Service APIs by the AEF that exposes them. */
export type CapifGrants = ReadonlyMap<string, ReadonlySet<string>>;

const prefix = '3gpp#';
/** Characters of RFC 6749, Section 3.3, but those that separate. */
const nameForm = /^[\x21\x24-\x2b\x2d-\x39\x3c-\x5b\x5d-\x7e]{1,128}$/;
const longest = 4096;
const mostAefs = 64;
const mostApis = 256;

function unfit(expected: string): CapifError {
  return new CapifError('ERR_CAPIF_SCOPE', `scope: expected ${expected}, got something else`);
}

/**
 * The scope of an access token of a CAPIF core function: `3gpp#aef1:api1,api2;aef2:api3` (TS 29.222, AccessTokenReq). An AEF stands in it once, and so does an API
 * of it: the order says nothing.
 *
 * @throws {CapifError} `ERR_CAPIF_SCOPE`
 */
export function parseCapifScope(scope: string): CapifGrants {
  if (scope.length > longest) throw unfit(`at most ${longest} characters`);
  if (!scope.startsWith(prefix)) throw unfit(`${prefix} and AEFs`);
  const grants = new Map<string, ReadonlySet<string>>();
  let count = 0;
  for (const part of scope.slice(prefix.length).split(';')) {
    const [aefId, list, ...more] = part.split(':');
    if (aefId === undefined || list === undefined || more.length > 0 || !nameForm.test(aefId)) throw unfit('AEF:API,API with names of visible characters');
    if (grants.has(aefId)) throw unfit('each AEF once');
    const names = list.split(',');
    if (!names.every((name) => nameForm.test(name))) throw unfit('APIs with names of visible characters');
    const apis = new Set(names);
    if (apis.size !== names.length) throw unfit('each API of an AEF once');
    count += names.length;
    grants.set(aefId, apis);
    if (grants.size > mostAefs || count > mostApis) throw unfit(`at most ${mostAefs} AEFs and ${mostApis} APIs`);
  }
  return grants;
}

/**
 * The scope of grants: what `parseCapifScope` reads as the same ones.
 *
 * @throws {CapifError} `ERR_CAPIF_SCOPE` for names that cannot stand in it, none at all, or too many
 */
export function formatCapifScope(grants: Iterable<readonly [aefId: string, apis: Iterable<string>]>): string {
  const scope = prefix + [...grants].map(([aefId, apis]) => `${aefId}:${[...apis].join(',')}`).join(';');
  parseCapifScope(scope);
  return scope;
}

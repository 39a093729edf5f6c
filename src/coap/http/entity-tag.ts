import { fromHex, toHex } from '../../core/bytes.ts';
import { HttpMappingError, membersOf } from './message.ts';

/** A field that names representations: any, or those with one of these tags. */
export interface TagList {
  readonly any: boolean;
  /** ETags of CoAP. Tags that are not of such a one name no representation of a CoAP resource, and are left out. */
  readonly tags: readonly Uint8Array[];
}

/** ETags that a request names at most: each becomes an option. */
const mostTags = 8;

/** An ETag of CoAP as an entity tag of HTTP: strong, since it names the bytes of a representation (RFC 7252, Section 5.10.6). */
export function entityTagOf(etag: Uint8Array): string {
  return `"${toHex(etag)}"`;
}

/**
 * The value of If-Match or If-None-Match. The first compares strongly, so that weak tags are nobody's; the second weakly (RFC 9110, Section 8.8.3.2).
 *
 * @throws {HttpMappingError} 400
 */
export function tagListOf(name: 'If-Match' | 'If-None-Match', field: string): TagList {
  if (field.trim() === '*') return { any: true, tags: [] };
  const tags: Uint8Array[] = [];
  for (const member of membersOf(field)) {
    const match = /^(W\/)?"([!#-~\x80-\xff]*)"$/.exec(member);
    if (match === null) throw new HttpMappingError(400, `${name}: expected entity tags, got other text`);
    const isWeak = match[1] !== undefined;
    if (/^(?:[0-9a-f]{2}){1,8}$/.test(match[2]!) && !(isWeak && name === 'If-Match')) tags.push(fromHex(match[2]!));
  }
  if (tags.length > mostTags) throw new HttpMappingError(400, `${name}: expected at most ${mostTags} entity tags, got ${tags.length}`);
  return { any: false, tags };
}

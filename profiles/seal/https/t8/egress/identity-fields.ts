import type { EgressRule } from './finding.ts';

const digits = /^\d{14,15}$/;
/** Members that hold a SUPI, or the part of it that is the subscriber's, by their names in lower case without what separates words. */
const supiMembers: ReadonlySet<string> = new Set(['supi', 'supis', 'imsi', 'imsis', 'msin']);
/** Members that hold another identity of a device, a user or a group. */
const identityMember = /(?:id|ids|identity|identities|gpsi|gpsis|msisdn|msisdns|subscriber|user|ue)$/;

/** Identities of 14 or 15 digits that are none of a subscriber: telephone numbers that the registry has. */
export type IsPublicNumber = (digits: string) => boolean;

/** Levels of arrays and objects in each other. */
const deepest = 64;

/** What the members of a JSON value say, as far as their names tell what they are. */
export function searchMembers(value: unknown, isPublicNumber: IsPublicNumber, name = '', depth = 0): EgressRule | undefined {
  if (depth > deepest) return 'unreadable';
  if (Array.isArray(value)) return first(value, (item) => searchMembers(item, isPublicNumber, name, depth + 1));
  if (typeof value === 'object' && value !== null)
    return first(Object.entries(value), ([key, member]) => {
      const word = key.toLowerCase().replace(/[^a-z0-9]/g, '');
      return supiMembers.has(word) && member !== null && member !== '' ? 'supi-member' : searchMembers(member, isPublicNumber, word, depth + 1);
    });
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const text = String(value);
  if (identityMember.test(name) && isSubscriber(text, isPublicNumber)) return 'identity-digits';
  return /^(?:https?:\/\/|\/)/.test(text) ? searchUri(text, isPublicNumber) : undefined;
}

/** The segments of a path and the values of a query name things, so that they are identities. */
export function searchUri(uri: string, isPublicNumber: IsPublicNumber): EgressRule | undefined {
  const parts = uri.split(/[/?#&=;,<>"\s]/);
  return parts.some((part) => isSubscriber(decoded(part), isPublicNumber)) ? 'identity-digits' : undefined;
}

/** The local part of an external identifier is looked at by itself. */
export function isSubscriber(text: string, isPublicNumber: IsPublicNumber): boolean {
  const local = text.split('@')[0]!.replace(/[\s.+-]/g, '');
  return digits.test(local) && !isPublicNumber(local);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function first<T>(values: readonly T[], search: (value: T) => EgressRule | undefined): EgressRule | undefined {
  for (const value of values) {
    const found = search(value);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * What of a server a path asks for: the longest of its endpoints that the path is, or is under; `other` for what it does not have.
 *
 * @param endpoints - paths without a slash at their end; `/` alone stands for all that is under no other
 */
export function endpointOf(path: string, endpoints: readonly string[]): string {
  let found = endpoints.includes('/') ? '/' : 'other';
  for (const endpoint of endpoints) {
    const isUnder = path === endpoint || path.startsWith(`${endpoint}/`);
    if (isUnder && (found === 'other' || endpoint.length > found.length)) found = endpoint;
  }
  return found;
}

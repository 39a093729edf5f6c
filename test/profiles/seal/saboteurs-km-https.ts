import type { Saboteur } from './saboteur.ts';

/** For rows of key management and of services over HTTPS, somebody who breaks them. */
export const saboteursOfKmHttps: readonly Saboteur[] = [
  {
    row: 'R-015',
    file: 'src/cli/seal/https/server.js',
    replace: ["{ ...known, certificates: 'required' }", "{ ...known, certificates: 'none' }"],
  },
  {
    row: 'R-075',
    file: 'profiles/seal/https/seal-server/seal-https-server.js',
    replace: ['return await bodyOf(request, largest);', 'return emptyBytes;'],
  },
  {
    row: 'R-604',
    alsoFails: ['R-603'],
    file: 'profiles/seal/https/seal-server/resources.js',
    replace: ["if (this.#permissions(names).decide(target, code) === 'permit')", 'if (names.length > 0)'],
  },
];

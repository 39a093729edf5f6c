import { lookup as resolveAll } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** Networks that no SCS/AS is in: this host, this link, networks without a name outside, and groups (RFC 6890). */
const ownNetworks: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
];
const ownNetworks6: readonly (readonly [network: string, prefix: number])[] = [
  ['::', 96],
  ['::ffff:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
];

const own = new BlockList();
for (const [network, prefix] of ownNetworks) own.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of ownNetworks6) own.addSubnet(network, prefix, 'ipv6');

/** Characters of a URI. */
const longest = 2_048;

/** Where notifications may go: to hosts of the world outside, and of the own network to those that the operator names. */
export class Destinations {
  readonly #allowed: ReadonlySet<string>;

  /** @param allowed - `host:port` each, as URIs have them */
  constructor(allowed: readonly string[] = []) {
    this.#allowed = new Set(allowed);
  }

  /** What is expected in place of this; `undefined`: it is a destination. The addresses of a name are looked at when something is sent. */
  fault(text: string): string | undefined {
    const url = text.length <= longest && URL.canParse(text) ? new URL(text) : undefined;
    if (url?.protocol !== 'https:') return 'a URI with the scheme https';
    if (url.username !== '' || url.password !== '' || url.hash !== '') return 'a URI without a user and a fragment';
    if (this.#isAllowed(url)) return undefined;
    const host = url.hostname.replace(/^\[|\]$/g, '');
    return host === 'localhost' || host.endsWith('.localhost') || isOwn(host) ? 'a host outside of the own network' : undefined;
  }

  /** How the name in the URI becomes an address, so that a name does not lead into the own network either. */
  lookup(text: string): LookupFunction | undefined {
    return this.#isAllowed(new URL(text)) ? undefined : outside;
  }

  #isAllowed({ hostname, port }: URL): boolean {
    return this.#allowed.has(`${hostname}:${port === '' ? '443' : port}`);
  }
}

function isOwn(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && own.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/** Resolves as the system does, and refuses a name that has an address of the own network. */
const outside: LookupFunction = (hostname, options, done) => {
  resolveAll(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) done(error, []);
    else if (addresses.length === 0 || addresses.some(({ address }) => isOwn(address)))
      done(Object.assign(new Error('expected a host outside of the own network, got one inside'), { code: 'EACCES' }), []);
    else if (options.all === true) done(null, addresses);
    else done(null, addresses[0]!.address, addresses[0]!.family);
  });
};

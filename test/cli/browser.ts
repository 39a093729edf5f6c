import { type Fetch, logInByForm } from '../../profiles/seal/https/index.ts';
import { redirectUri } from '../profiles/seal/https/openid/application.ts';
import type { SimSLab } from './sim-s-lab.ts';

/** Somebody who signs in once, and stays signed in. */
export class Browser {
  readonly #lab: SimSLab;
  /** What the session is known by. */
  readonly #cookies = new Map<string, string>();
  /** How often a password was typed. */
  typed = 0;

  constructor(lab: SimSLab) {
    this.#lab = lab;
  }

  /** Whether it has signed in. */
  get isSignedIn(): boolean {
    return this.#cookies.size > 0;
  }

  readonly fetch: Fetch = async (uri, init = {}) => {
    const own = [...this.#cookies].map(([name, value]) => `${name}=${value}`);
    const { Cookie: given, ...headers } = (init.headers ?? {}) as Readonly<Record<string, string>>;
    const others = (given ?? '').split('; ').filter((pair) => pair !== '' && !this.#cookies.has(pair.split('=')[0]!));
    const cookie = [...others, ...own].join('; ');
    if (String(init.body ?? '').includes('password=')) this.typed++;
    const response = await this.#lab.fetch(uri, { ...init, headers: { ...headers, ...(cookie === '' ? {} : { Cookie: cookie }) } });
    for (const line of response.headers['set-cookie'] ?? []) {
      const [, name, value] = /^(__Host-session(?:\.sig)?)=([^;]*)/.exec(line) ?? [];
      if (name !== undefined && value !== '') this.#cookies.set(name, value!);
    }
    return response;
  };

  /** A code for the application; the password is typed where it is asked for. */
  async code(): Promise<string> {
    const { password } = this.#lab;
    const uri = this.#lab.authorizationUri();
    const answer = new URL(await logInByForm({ uri, redirectUri, username: 'anna@val.example', password, fetch: this.fetch }));
    const code = answer.searchParams.get('code');
    if (code === null) throw new Error(`expected a code, got ${answer.searchParams.get('error')}`);
    return code;
  }

  /** What comes of an authorization request without a page: `code`, or the error that the application is told. */
  async silently(): Promise<string> {
    let uri = this.#lab.authorizationUri({ prompt: 'none' });
    for (;;) {
      const { status, headers } = await this.fetch(uri, { headers: { Accept: 'text/html' } });
      if (status !== 303) return String(status);
      const to = new URL(headers.location!, uri);
      if (to.href.startsWith(redirectUri)) return to.searchParams.get('error') ?? 'code';
      uri = to.href;
    }
  }
}

import { fromUtf8, toBase64Url, utf8 } from '../../../src/core/bytes.ts';
import type { Env } from '../../../src/core/env.ts';
import type { Change, Store } from '../../../src/store/index.ts';

const userFolder = 'seal/subject/user/';
const subjectFolder = 'seal/subject/of/';

const userKey = (user: string): string => userFolder + encodeURIComponent(user);

/** Knows who is provisioned. */
interface Provisioned {
  has(kind: 'user', id: string): Promise<boolean>;
}

/** The changes that take the subject from a VAL user. */
export async function subjectRemoved(store: Store, user: string): Promise<readonly Change[]> {
  const subject = await store.get(userKey(user));
  if (subject === undefined) return [];
  return [
    { key: userKey(user), value: undefined, expected: subject },
    { key: subjectFolder + fromUtf8(subject), value: undefined },
  ];
}

/**
 * What VAL users are called in the tokens of OpenID Connect (TS 33.434, A.2.1.2): a random name each, which ends with the user. Who is provisioned under the same
 * VAL user ID later has another one, so none is ever reassigned.
 */
export class Subjects {
  readonly #store: Store;
  readonly #identities: Provisioned;
  readonly #env: Pick<Env, 'random'>;

  constructor(store: Store, identities: Provisioned, env: Pick<Env, 'random'>) {
    this.#store = store;
    this.#identities = identities;
    this.#env = env;
  }

  /** Of a VAL user who is provisioned; made when it is first asked for. */
  async of(user: string): Promise<string> {
    for (;;) {
      const found = await this.#store.get(userKey(user));
      if (found !== undefined) return fromUtf8(found);
      const subject = toBase64Url(this.#env.random(16));
      await this.#store.batch([
        { key: userKey(user), value: utf8(subject), expected: null },
        { key: subjectFolder + subject, value: utf8(user), expected: null },
      ]);
    }
  }

  /** The VAL user; `undefined`: nobody who is provisioned is called so. */
  async userOf(subject: string): Promise<string | undefined> {
    if (!/^[\w-]{1,64}$/.test(subject)) return undefined;
    const found = await this.#store.get(subjectFolder + subject);
    if (found === undefined) return undefined;
    const user = fromUtf8(found);
    return (await this.#identities.has('user', user)) ? user : undefined;
  }

  /** Take the subjects from VAL users who stood in a configuration and stand there no more; of all of them, or of these. */
  async sweep(users?: Iterable<string>): Promise<void> {
    for await (const user of users ?? this.#users()) {
      if (!(await this.#identities.has('user', user))) await this.#store.batch(await subjectRemoved(this.#store, user));
    }
  }

  async *#users(): AsyncGenerator<string, void, undefined> {
    for await (const [key] of this.#store.scan(userFolder)) yield decodeURIComponent(key.slice(userFolder.length));
  }
}

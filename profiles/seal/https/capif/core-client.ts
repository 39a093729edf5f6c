import { fetchHttps, type TlsClientOptions } from '../../../../src/transport/index.ts';
import { CapifError } from './error.ts';
import { readServiceSecurity, type ServiceSecurity } from './security-context.ts';

/** Security contexts of invokers, as an AEF learns them from the core function. */
export interface CapifContexts {
  /** `undefined`: the invoker has none. A promise that fails: nobody knows. */
  contextOf(apiInvokerId: string): Promise<ServiceSecurity | undefined>;
}

/** A core function, and how an AEF shows itself to it. */
export interface CapifCoreClientOptions {
  /** `https://ccf.example` */
  readonly apiRoot: string;
  readonly tls: TlsClientOptions;
}

/** Where a context is. */
export function trustedInvokerUri(apiRoot: string, apiInvokerId: string): string {
  return `${apiRoot}/capif-security/v1/trustedInvokers/${encodeURIComponent(apiInvokerId)}`;
}

/** Asks a core function over CAPIF-3 (TS 29.222, CAPIF_Security_API). */
export function capifContexts({ apiRoot, tls }: CapifCoreClientOptions): CapifContexts {
  return {
    contextOf: async (apiInvokerId) => {
      const uri = `${trustedInvokerUri(apiRoot, apiInvokerId)}?authenticationInfo=true&authorizationInfo=true`;
      const { status, body } = await fetchHttps(uri, { ...tls, headers: { accept: 'application/json' } });
      if (status === 404) return undefined;
      if (status !== 200) throw new CapifError('ERR_CAPIF_REFUSED', `CAPIF core function: expected 200 or 404, got ${status}`);
      return readServiceSecurity(body);
    },
  };
}

/** Contexts that were asked for, for as long as they count. */
export class ContextCache {
  readonly #source: CapifContexts;
  readonly #now: () => number;
  readonly #seconds: number;
  readonly #kept = new Map<string, { readonly context: ServiceSecurity; readonly until: number }>();
  /** Questions under way. One that is taken out is out of date when its answer comes. */
  readonly #asking = new Map<string, Promise<ServiceSecurity | undefined>>();

  /** `now`: seconds since 1970. */
  constructor(source: CapifContexts, now: () => number, seconds: number) {
    this.#source = source;
    this.#now = now;
    this.#seconds = seconds;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** The context, and until when it counts, in seconds since 1970. */
  async find(apiInvokerId: string): Promise<{ readonly context: ServiceSecurity; readonly until: number } | undefined> {
    const kept = this.#kept.get(apiInvokerId);
    const now = this.#now();
    // One that would count for longer was kept before the clock was set back.
    if (kept !== undefined && now < kept.until && kept.until <= now + this.#seconds) return kept;
    const asking = this.#asking.get(apiInvokerId) ?? this.#ask(apiInvokerId);
    if ((await asking) === undefined) return undefined;
    // Gone again: rights were revoked while the answer was on its way.
    return this.#kept.get(apiInvokerId) ?? this.find(apiInvokerId);
  }

  /** What is known of an invoker counts no more. */
  drop(apiInvokerId: string): void {
    this.#kept.delete(apiInvokerId);
    this.#asking.delete(apiInvokerId);
  }

  #ask(apiInvokerId: string): Promise<ServiceSecurity | undefined> {
    const asking = this.#source.contextOf(apiInvokerId).then(
      (context) => {
        this.#keep(apiInvokerId, asking, context);
        return context;
      },
      (error: unknown) => {
        this.#keep(apiInvokerId, asking, undefined);
        throw error;
      },
    );
    this.#asking.set(apiInvokerId, asking);
    return asking;
  }

  #keep(apiInvokerId: string, asking: Promise<unknown>, context: ServiceSecurity | undefined): void {
    if (this.#asking.get(apiInvokerId) !== asking) return;
    this.#asking.delete(apiInvokerId);
    this.#kept.delete(apiInvokerId);
    if (context === undefined) return;
    this.#kept.set(apiInvokerId, { context, until: this.#now() + this.#seconds });
    if (this.#kept.size > mostKept) this.#kept.delete(this.#kept.keys().next().value!);
  }
}

const mostKept = 1024;

import { decode, encode } from '../../../../src/core/cbor.ts';
import type { Store } from '../../../../src/store/index.ts';
import { badConfig } from './t8-error.ts';

/** The APIs of T8 that are served. */
export const t8Apis = ['device-triggering', 'nidd'] as const;

/** An API of T8 that is served. */
export type T8Api = (typeof t8Apis)[number];

/** Whether an SCS/AS may address devices: by one API, or by all of them. */
export interface T8Rule {
  readonly scsAsId: string;
  /** An external identifier, in which `*` stands for any characters. */
  readonly devices: string;
  readonly api: T8Api | '*';
  readonly effect: 'allow' | 'deny';
}

const folder = 't8/policy/';
/** Rules of one SCS/AS in the store. */
const mostRules = 1_000;
const idForm = /^[\x21-\x7e]{1,128}$/;
const devicesForm = /^[\x21-\x7e]{1,255}$/;
/** Wildcards of a rule, so that a match takes no longer than it needs. */
const mostWildcards = 4;

/**
 * Which SCS/AS may address which device (TS 33.187, 4.7): by device, or by API and device. Rules stand in the configuration and in the store, where a rule counts
 * from the next request on. Nothing is allowed but what a rule allows, and no rule allows what another denies.
 */
export class T8Policy {
  #configured: readonly T8Rule[];
  readonly #store: Store;

  /** @throws {T8Error} `ERR_T8_CONFIG` for what is no rule */
  constructor(store: Store, configured: readonly T8Rule[] = []) {
    configured.forEach(checkRule);
    this.#configured = configured;
    this.#store = store;
  }

  /**
   * Put other rules in the place of those of the configuration.
   *
   * @throws {T8Error} `ERR_T8_CONFIG` for what is no rule, and then all is as it was
   */
  configure(rules: readonly T8Rule[]): void {
    rules.forEach(checkRule);
    this.#configured = rules;
  }

  /** Whether a rule allows it and none denies it. */
  async permits(scsAsId: string, externalId: string, api: T8Api): Promise<boolean> {
    let allowed = false;
    for await (const rule of this.list(scsAsId)) {
      if (!applies(rule, externalId, api)) continue;
      if (rule.effect === 'deny') return false;
      allowed = true;
    }
    return allowed;
  }

  /**
   * Take a rule into the store, in place of the one for the same SCS/AS, devices and API.
   *
   * @throws {T8Error} `ERR_T8_CONFIG` for what is no rule, and for one too many
   */
  async put(rule: T8Rule): Promise<void> {
    checkRule(rule);
    const key = ruleKey(rule);
    if ((await this.#store.get(key)) === undefined) {
      let count = 0;
      for await (const _ of this.#store.scan(scsFolder(rule.scsAsId), { limit: mostRules })) count++;
      if (count >= mostRules) throw badConfig(`expected at most ${mostRules} rules of an SCS/AS, got another`);
    }
    await this.#store.put(key, encode([rule.scsAsId, rule.devices, rule.api, rule.effect]));
  }

  /** Whether the store had one. */
  remove(rule: Omit<T8Rule, 'effect'>): Promise<boolean> {
    return this.#store.delete(ruleKey(rule));
  }

  /** Those of the configuration first. */
  async *list(scsAsId?: string): AsyncGenerator<T8Rule, void, undefined> {
    for (const rule of this.#configured) if (scsAsId === undefined || rule.scsAsId === scsAsId) yield rule;
    for await (const [, stored] of this.#store.scan(scsAsId === undefined ? folder : scsFolder(scsAsId))) {
      const [id, devices, api, effect] = decode(stored) as readonly [string, string, T8Rule['api'], T8Rule['effect']];
      yield { scsAsId: id, devices, api, effect };
    }
  }
}

function applies({ devices, api }: T8Rule, externalId: string, asked: T8Api): boolean {
  if (api !== '*' && api !== asked) return false;
  const parts = devices.split('*').map((part) => part.replace(/[^\w]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(externalId);
}

function checkRule({ scsAsId, devices, api, effect }: T8Rule): void {
  if (!idForm.test(scsAsId)) throw badConfig('scsAsId: expected 1 to 128 characters of ASCII without spaces, got something else');
  if (!devicesForm.test(devices) || devices.split('*').length - 1 > mostWildcards)
    throw badConfig(`devices: expected an external identifier with at most ${mostWildcards} wildcards, got something else`);
  if (api !== '*' && !t8Apis.includes(api)) throw badConfig(`api: expected one of *, ${t8Apis.join(', ')}, got another`);
  if (effect !== 'allow' && effect !== 'deny') throw badConfig('effect: expected allow or deny, got another');
}

const scsFolder = (scsAsId: string): string => `${folder}${encodeURIComponent(scsAsId)}/`;
const ruleKey = ({ scsAsId, api, devices }: Omit<T8Rule, 'effect'>): string => `${scsFolder(scsAsId)}${api}/${devices}`;

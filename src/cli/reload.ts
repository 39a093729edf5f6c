import { ProtocolError } from '../core/errors.ts';
import { sameValue } from '../core/same-value.ts';
import { ConfigError, type Logger } from '../operate/index.ts';

export interface ReloadOptions<C> {
  readonly logger: Logger;
  /** Reads the file again. */
  readonly load: () => C | Promise<C>;
  /** Settings that take effect while the server runs. */
  readonly live: readonly (keyof C & string)[];
  /** Settings within live ones that take effect at a start only, and are others now than at the start. */
  readonly restart?: (started: C, next: C) => readonly string[];
  /** Put the live settings to work; the result is what a log says of it. Where it rejects, all has to be as before. */
  readonly apply: (next: C) => Promise<object>;
}

/**
 * Keeps the configuration that a server runs with, and replaces it on demand by the one that its file holds then. A file that is wrong changes nothing: the log
 * says where and why. What cannot change while the server runs is named.
 */
export class Reload<C extends object> {
  readonly #options: ReloadOptions<C>;
  readonly #started: C;
  #current: C;
  #under: Promise<void> = Promise.resolve();

  constructor(current: C, options: ReloadOptions<C>) {
    this.#started = current;
    this.#current = current;
    this.#options = options;
  }

  /** What the server was started with. */
  get started(): C {
    return this.#started;
  }

  /** What the server runs with now; of what needs a restart within live settings, what the file has. */
  get current(): C {
    return this.#current;
  }

  /** One at a time; it never rejects. */
  run(): Promise<void> {
    this.#under = this.#under.then(() => this.#run());
    return this.#under;
  }

  async #run(): Promise<void> {
    const { logger, load, live, restart, apply } = this.#options;
    try {
      const next = await load();
      const names = [...new Set([...Object.keys(this.#started), ...Object.keys(next)])] as (keyof C & string)[];
      const fixed = names.filter((name) => !live.includes(name) && !sameValue(this.#started[name], next[name]));
      const within = restart?.(this.#started, next) ?? [];
      const changes = await apply(next);
      const kept = Object.fromEntries(fixed.filter((name) => name in this.#started).map((name) => [name, this.#started[name]]));
      this.#current = { ...next, ...kept };
      for (const name of [...fixed.map(yamlName), ...within]) logger.warn({ setting: name }, 'needs a restart');
      logger.info(changes, 'reloaded');
    } catch (error) {
      this.#refused(error);
    }
  }

  #refused(error: unknown): void {
    const { logger } = this.#options;
    if (error instanceof ConfigError) {
      for (const problem of error.problems) logger.error({ file: error.file, ...problem }, 'configuration refused');
    } else {
      const reason = error instanceof ProtocolError ? error.code : 'unknown';
      logger.error({ reason, detail: error instanceof Error ? error.message : String(error) }, 'configuration refused');
    }
    logger.warn({}, 'the configuration stays as it was');
  }
}

/** A part of a configuration; values of it that are no plain objects are compared as a whole. */
type Section = Readonly<Record<string, unknown>>;

/**
 * What is different between two sections, by its place in the file: `seal.https.listen`.
 *
 * @param at - where they stand
 * @param levels - how many levels of sections there are below
 */
export function differences(at: string, started: unknown, next: unknown, levels = 2): readonly string[] {
  if (sameValue(started, next)) return [];
  if (levels === 0 || !isSection(started) || !isSection(next)) return [at];
  const names = [...new Set([...Object.keys(started), ...Object.keys(next)])];
  return names.flatMap((name) => differences(`${at}.${yamlName(name)}`, started[name], next[name], levels - 1));
}

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function yamlName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

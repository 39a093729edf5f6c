import { ProtocolError } from '../core/errors.ts';
import { sameValue } from '../core/same-value.ts';
import { ConfigError, type Logger } from '../operate/index.ts';

export interface ReloadOptions<C> {
  readonly logger: Logger;
  /** Reads the file again. */
  readonly load: () => C | Promise<C>;
  /** Settings that take effect while the server runs. */
  readonly live: readonly (keyof C & string)[];
  /** Settings within live ones that take effect at a start only, and are others now. */
  readonly restart?: (current: C, next: C) => readonly string[];
  /** Put the live settings to work; the result is what a log says of it. Where it rejects, all has to be as before. */
  readonly apply: (next: C) => Promise<object>;
}

/**
 * Keeps the configuration that a server runs with, and replaces it on demand by the one that its file holds then. A file that is wrong changes nothing: the log
 * says where and why. What cannot change while the server runs is named.
 */
export class Reload<C extends object> {
  readonly #options: ReloadOptions<C>;
  #current: C;
  #under: Promise<void> = Promise.resolve();

  constructor(current: C, options: ReloadOptions<C>) {
    this.#current = current;
    this.#options = options;
  }

  /** What the server runs with now. */
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
      const names = [...new Set([...Object.keys(this.#current), ...Object.keys(next)])] as (keyof C & string)[];
      const fixed = names.filter((name) => !live.includes(name) && !sameValue(this.#current[name], next[name]));
      const within = restart?.(this.#current, next) ?? [];
      const changes = await apply(next);
      const kept = Object.fromEntries([...fixed, ...within].filter((name) => name in this.#current).map((name) => [name, this.#current[name as keyof C]]));
      this.#current = { ...next, ...kept };
      for (const name of [...fixed, ...within]) logger.warn({ setting: name }, 'needs a restart');
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

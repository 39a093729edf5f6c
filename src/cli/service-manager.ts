import { execFile } from 'node:child_process';
import type { Logger } from '../operate/index.ts';

/** The program that speaks for others: Node sends no datagrams to sockets of the file system. */
const program = 'systemd-notify';

/** Milliseconds that it may take. */
const patience = 10_000;

/**
 * What systemd is told of a service of `Type=notify`, as sd_notify(3) has it; nothing, and nobody, where `NOTIFY_SOCKET` is not set. What is told arrives in the
 * order in which it was said.
 */
export class ServiceManager {
  readonly #logger: Logger;
  readonly #isThere: boolean;
  #said: Promise<void> = Promise.resolve();
  #isMissing = false;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(logger: Logger, env: NodeJS.ProcessEnv = process.env) {
    this.#logger = logger;
    this.#isThere = (env['NOTIFY_SOCKET'] ?? '') !== '';
    const { WATCHDOG_USEC: period, WATCHDOG_PID: pid = `${process.pid}` } = env;
    if (!this.#isThere || !/^[1-9]\d{0,14}$/.test(period ?? '') || pid !== `${process.pid}`) return;
    // sd_watchdog_enabled(3): every half of the time.
    this.#watchdog = setInterval(() => this.#say('WATCHDOG=1'), Number(period) / 2000);
    this.#watchdog.unref();
  }

  /** It serves, or has read its configuration again. */
  ready(): void {
    this.#say('READY=1');
  }

  /** It reads its configuration again, until `ready`. */
  reloading(): void {
    this.#say('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  /** It ends, but not before this has arrived. */
  stopping(): void {
    clearInterval(this.#watchdog);
    this.#say('STOPPING=1');
  }

  #say(...facts: readonly string[]): void {
    if (!this.#isThere) return;
    this.#said = this.#said.then(() => this.#send(facts));
  }

  /** What nobody hears is no reason to end. */
  #send(facts: readonly string[]): Promise<void> {
    if (this.#isMissing) return Promise.resolve();
    return new Promise((done) => {
      execFile(program, facts, { timeout: patience }, (error, _stdout, stderr) => {
        if (error !== null) {
          this.#isMissing = error.code === 'ENOENT';
          this.#logger.warn({ detail: this.#isMissing ? `${program} is not there` : stderr.trim() || error.message }, 'systemd was not told');
        }
        done();
      });
    });
  }
}

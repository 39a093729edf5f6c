import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchHttps, type HttpsRequestInit, type HttpsResponse } from '../../src/transport/index.ts';
import { Application } from '../profiles/seal/https/openid/application.ts';

import { edit, Server } from './lab.ts';
import { sealInit } from './seal-folder.ts';

/** Milliseconds. */
const patience = 120_000;

/** A SEAL deployment as `ace-coap seal init` makes it, its SIM-S as a process, and the application and the VAL user of it. */
export class SimSLab extends Application {
  readonly parent: string;
  readonly folder: string;
  readonly issuer: string;
  readonly as: Server;
  readonly ca: string;
  override readonly secret: string;
  override readonly password: string;
  /** Where requests for the issuer go; itself, if nobody stands in for it. */
  at: string;

  private constructor(parent: string, port: number) {
    super();
    const read = (...names: readonly string[]): string => readFileSync(join(this.folder, ...names), 'utf8').trimEnd();
    this.parent = parent;
    this.folder = join(parent, 'lab');
    this.issuer = `https://127.0.0.1:${port}`;
    this.at = this.issuer;
    this.as = new Server('as', this.folder);
    this.ca = read('tls', 'ca.pem');
    this.secret = read('keys', 'app.secret');
    this.password = read('keys', 'anna.password');
  }

  /** The files alone. */
  static async make(): Promise<SimSLab> {
    const parent = mkdtempSync(join(tmpdir(), 'ace-coap-sim-s-'));
    const { ports } = await sealInit(join(parent, 'lab'));
    return new SimSLab(parent, ports.asHttps);
  }

  get asYaml(): string {
    return join(this.folder, 'as.yaml');
  }

  get port(): number {
    return Number(new URL(this.issuer).port);
  }

  /** Put something else into as.yaml. */
  edit(from: string, to: string): void {
    edit(this.asYaml, from, to);
  }

  // A server that is killed resets its connections; one that is slow may still do what was asked, when nobody waits any more.
  readonly fetch = (uri: string, init: HttpsRequestInit = {}): Promise<HttpsResponse> =>
    fetchHttps(uri.replace(this.issuer, this.at), { ca: this.ca, timeout: patience, ...init });

  async end(): Promise<void> {
    try {
      await this.as.stop();
    } finally {
      rmSync(this.parent, { recursive: true, force: true });
    }
  }
}

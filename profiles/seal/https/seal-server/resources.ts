import type { IncomingMessage } from 'node:http';
import type { ScopeTable } from '../../../../src/ace/index.ts';
import { type Resource, type ResourceHandle, type ResourceRequest, Router } from '../../../../src/coap/index.ts';
import type { HttpsCaller } from '../guard/index.ts';
import { type HttpAnswer, HttpRefused } from './http-answer.ts';

/** What resources that are written for CoAP need of their host. */
export interface SealResourcesOptions {
  readonly scopes: ScopeTable;
  readonly anyScope: readonly string[];
  readonly isLive: (caller: HttpsCaller) => boolean;
  readonly failed: (method: string, path: string, error: unknown) => void;
}

/** Resources that are written for CoAP, over HTTPS. */
export class SealResources {
  readonly #router: Router = new Router();

  constructor(_options: SealResourcesOptions) {}

  resource(path: string, resource: Resource): ResourceHandle {
    return this.#router.resource(path, resource);
  }

  callerOf(_request: Pick<ResourceRequest, 'association'>): HttpsCaller | undefined {
    return undefined;
  }

  isPublic(_path: string): boolean {
    return false;
  }

  checkScope(_request: IncomingMessage, _caller: HttpsCaller): void {}

  async answer(_request: IncomingMessage, _body: Uint8Array, _caller: HttpsCaller | undefined): Promise<HttpAnswer> {
    throw new HttpRefused({ status: 404, reason: 'absent', detail: 'expected a path where there is something, got another' });
  }
}

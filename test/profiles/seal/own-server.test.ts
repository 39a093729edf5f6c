import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SealServer, type SealService } from '../../../profiles/seal/index.ts';
import { type ResourceHandle, requestPath } from '../../../src/coap/index.ts';
import { inLab } from './rows/lab.ts';

/** The service of the README: where devices say where they are, and read where others are. */
class Positions implements SealService {
  readonly scopes = { 'position:tell': { '/position': ['PUT'] }, 'position:read': { '/positions/*': ['GET'] } };
  readonly #positions = new Map<string, string>();

  mount(server: SealServer): void {
    const all: ResourceHandle = server.resource('/positions/*', {
      get: ({ path }) => this.#positions.get(path.slice('/positions/'.length)) ?? { code: 132 },
      observable: true,
    });
    server.resource('/position', {
      put: (request) => {
        const ue = server.callerOf(request)?.valUeId ?? 'somebody';
        this.#positions.set(ue, request.text());
        all.changed(({ options }) => requestPath(options) === `/positions/${ue}`);
        return undefined;
      },
    });
  }
}

test('a SEAL server of one’s own: the token says whose position it is, and observers of that one hear of it', async () => {
  await inLab({ services: () => [new Positions()] }, async (lab) => {
    assert.ok(lab.server instanceof SealServer);
    assert.equal((await lab.fetch('/position', { method: 'PUT', payload: '48.86,2.34' })).codeText, '2.04');
    assert.equal((await lab.fetch('/positions/ue1')).text(), '48.86,2.34');
    assert.equal((await lab.fetch('/positions/ue2')).codeText, '4.04');
    const stream = lab.simC.observe(`${lab.serverUri}/positions/ue1`);
    assert.equal((await lab.finish(stream.next())).value?.text(), '48.86,2.34');
    await lab.fetch('/position', { method: 'PUT', payload: '48.87,2.35' });
    assert.equal((await lab.finish(stream.next())).value?.text(), '48.87,2.35');
    await lab.finish(stream.return());
  });
});
